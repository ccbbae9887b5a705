// Package scores keeps on the disk what was measured of mirrors, and what that cost, from one Hither to the next.
package scores

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hither/cache/wholefile"
	"hither/forward/measure"
)

const (
	// Name is what the board learned and what measuring cost today, in the state directory. Without it every start
	// would measure anew, forgive those who sent wrong bytes, and spend the day's budgets again.
	Name = "mirrors.json"
	// pace is how much of what was learned a crash may cost.
	pace = time.Minute
	// limit is more than a board's bounds let it save, in bytes.
	limit = 64 << 20
)

// Keeper reads and writes them. Load it before anything is measured.
type Keeper struct {
	State  string
	Board  *measure.Board
	Rounds *measure.Rounds
	Log    *slog.Logger

	saved []byte // what the file holds, unstamped; nil: not known
}

// form is the file's form.
type form struct {
	Spent map[string]measure.Spending `json:"spent,omitempty"` // by base
	Board json.RawMessage             `json:"board"`           // as measure.Board.Save writes it
}

// Read fills a board with what the last Hither left, and returns what it had spent; without a file there is nothing.
// After an error the board is unchanged.
func Read(state string, board *measure.Board) (map[string]measure.Spending, error) {
	data, err := wholefile.Read(filepath.Join(state, Name), limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f form
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", measure.ErrDamaged, err)
	}
	return f.Spent, board.Load(bytes.NewReader(f.Board))
}

// Load puts a damaged file aside and begins anew: it is no reason not to run.
func (s *Keeper) Load() {
	path := filepath.Join(s.State, Name)
	spent, err := Read(s.State, s.Board)
	if err == nil {
		s.Rounds.Restore(spent)
		return
	}
	aside := path + ".damaged"
	if err2 := os.Rename(path, aside); err2 != nil {
		s.Log.Warn("what was measured before cannot be read, so measuring begins anew; remove the file", "file", path, "error", errors.Join(err, err2))
		return
	}
	s.Log.Warn("what was measured before cannot be read, so measuring begins anew; the file was put aside", "file", path, "as", aside, "error", err)
}

// Run saves once a minute, and in the end.
func (s *Keeper) Run(ctx context.Context) error {
	pace := time.NewTicker(pace)
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
			s.save()
		case <-ctx.Done():
			s.save()
			return nil
		}
	}
}

// save writes the file if something was learned. What cannot be written is told and tried again.
func (s *Keeper) save() {
	now, err := s.encode()
	if err == nil {
		if bytes.Equal(unstamped(now), s.saved) {
			return
		}
		err = wholefile.Write(filepath.Join(s.State, Name), now, 0o600)
	}
	if err != nil {
		s.Log.Warn("what was measured could not be saved; make room in the state directory, or it is lost when Hither ends", "error", fmt.Errorf("save: %w", err))
		return
	}
	s.saved = unstamped(now)
}

func (s *Keeper) encode() ([]byte, error) {
	var board bytes.Buffer
	if err := s.Board.Save(&board); err != nil {
		return nil, err
	}
	return json.Marshal(form{Spent: s.Rounds.Spent(), Board: board.Bytes()})
}

// unstamped is what is saved without the time of its saving, which alone is nothing new.
func unstamped(file []byte) []byte {
	head, rest, _ := bytes.Cut(file, []byte(`"saved":"`))
	_, rest, _ = bytes.Cut(rest, []byte(`"`))
	return slices.Concat(head, rest)
}
