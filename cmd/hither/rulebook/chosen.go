package rulebook

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/shell"
)

// Choose does one change to the user's choices, in the file and in the rules in force. It says what was done.
func (b *Book) Choose(change mirrors.Change) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, said, err := mirrors.Decide(b.State, b.plain, change)
	if err == nil {
		b.applyLocked()
	}
	return said, err
}

// Rechoose notices that somebody else wrote the file of choices: a `hither mirrors` that took us for not running, or an
// editor.
func (b *Book) Rechoose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lookChoices() != b.chosen && b.readLocked() {
		b.set.Store(b.plain.With(b.wanted))
		b.Log.Info("your choices of mirrors are in force", "file", b.choices())
	}
}

// applyLocked puts the plain rules in force as the user wants them.
func (b *Book) applyLocked() {
	if b.State != "" {
		b.readLocked()
	}
	b.set.Store(b.plain.With(b.wanted))
}

// readLocked reads what the user wants. A damaged file of choices is told once, and ignored. One that cannot be read now, as where no
// more files may be open, is told once, too; then what was read last stays, the answer is false, and Rechoose tries again.
func (b *Book) readLocked() bool {
	b.chosen = b.lookChoices() // before it is read: what changes meanwhile is seen by Rechoose
	c, err := mirrors.ReadChoices(b.choices())
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	if trouble != "" && trouble != b.unread {
		b.Log.Warn(shell.Advise(trouble, shell.System, b.State, os.Environ()))
	}
	if err != nil && !errors.Is(err, mirrors.ErrDamaged) {
		b.chosen, b.unread = notRead, trouble
		return false
	}
	b.wanted, b.unread = c, ""
	return true
}

// notRead is no state that a file has.
const notRead = "not read"

func (b *Book) choices() string { return filepath.Join(b.State, mirrors.ChoicesName) }

// lookChoices tells one state of the file from another. We replace it whole, so its time and size say enough of our own
// changes; an editor that keeps both changes nothing that a person would not do again.
func (b *Book) lookChoices() string {
	if b.State == "" {
		return ""
	}
	info, err := os.Stat(b.choices())
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime(), info.Mode(), info.Size())
}
