package main

import (
	"fmt"
	"os"
	"path/filepath"

	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/shell"
	"hither/rules"
)

// choose does one change to the user's choices, in the file and in the rules in force. It says what was done.
func (b *rulebook) choose(change mirrors.Change) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, said, err := mirrors.Decide(b.state, b.plain, change)
	if err == nil {
		b.applyLocked()
	}
	return said, err
}

// rechoose notices that somebody else wrote the file of choices: a `hither mirrors` that took us for not running, or an
// editor.
func (b *rulebook) rechoose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lookChoices() != b.chosen {
		b.applyLocked()
		b.log.Info("your choices of mirrors are in force", "file", b.choices())
	}
}

// applyLocked puts the plain rules in force as the user wants them. A damaged file of choices is told once, and ignored.
func (b *rulebook) applyLocked() {
	var c rules.Choices
	if b.state != "" {
		b.chosen = b.lookChoices() // before it is read: what changes meanwhile is seen by rechoose
		var err error
		if c, err = mirrors.ReadChoices(b.choices()); err != nil {
			b.log.Warn(shell.Advise(err.Error(), shell.System, b.state, os.Environ()))
		}
	}
	b.set.Store(b.plain.With(c))
}

func (b *rulebook) choices() string { return filepath.Join(b.state, mirrors.ChoicesName) }

// lookChoices tells one state of the file from another. We replace it whole, so its time and size say enough of our own
// changes; an editor that keeps both changes nothing that a person would not do again.
func (b *rulebook) lookChoices() string {
	if b.state == "" {
		return ""
	}
	info, err := os.Stat(b.choices())
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime(), info.Mode(), info.Size())
}
