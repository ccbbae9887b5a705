package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hither/forward/measure"
)

const (
	// scoresName is what the board learned, in the state directory. Without it every start would measure anew, and forgive
	// those who sent wrong bytes.
	scoresName = "mirrors.json"
	// scoresPace is how much of what was learned a crash may cost.
	scoresPace = time.Minute
	// scoresLimit is more than a board's bounds let it save, in bytes.
	scoresLimit = 64 << 20
)

// scores keeps a board's state on the disk.
type scores struct {
	State string
	Board *measure.Board
	Log   *slog.Logger

	saved []byte // what the file holds, unstamped; nil: not known
}

// readScores fills a board with what the last Hither left; without a file it stays empty. After an error it is unchanged.
func readScores(state string, board *measure.Board) error {
	file, err := os.Open(filepath.Join(state, scoresName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	return board.Load(io.LimitReader(file, scoresLimit))
}

// load puts a damaged file aside and begins anew: it is no reason not to run.
func (s *scores) load() {
	path := filepath.Join(s.State, scoresName)
	err := readScores(s.State, s.Board)
	if err == nil {
		return
	}
	aside := path + ".damaged"
	if err2 := os.Rename(path, aside); err2 != nil {
		s.Log.Warn("what was measured before cannot be read, so measuring begins anew; remove the file", "file", path, "error", errors.Join(err, err2))
		return
	}
	s.Log.Warn("what was measured before cannot be read, so measuring begins anew; the file was put aside", "file", path, "as", aside, "error", err)
}

// run saves once a minute, and in the end.
func (s *scores) run(ctx context.Context) error {
	pace := time.NewTicker(scoresPace)
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
func (s *scores) save() {
	var now bytes.Buffer
	err := s.Board.Save(&now)
	if err == nil {
		if bytes.Equal(unstamped(now.Bytes()), s.saved) {
			return
		}
		err = writeFile(filepath.Join(s.State, scoresName), now.Bytes())
	}
	if err != nil {
		s.Log.Warn("what was measured could not be saved; make room in the state directory, or it is lost when Hither ends", "error", fmt.Errorf("save: %w", err))
		return
	}
	s.saved = unstamped(now.Bytes())
}

// unstamped is a saved board without the time of its saving, which alone is nothing new.
func unstamped(board []byte) []byte {
	head, rest, _ := bytes.Cut(board, []byte(`"saved":"`))
	_, rest, _ = bytes.Cut(rest, []byte(`"`))
	return slices.Concat(head, rest)
}
