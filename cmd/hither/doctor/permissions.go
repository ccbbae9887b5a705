package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hither/cmd/hither/doctor/kernel"
)

// permissions looks who may read and change what Hither keeps.
type permissions struct{}

// Name implements Check.
func (permissions) Name() string { return "permissions" }

// maxKept bounds how many files of the state directory are looked at.
const maxKept = 500

// Run implements Check.
func (c permissions) Run(_ context.Context, p *Patient) (out []Finding) {
	if p.State == "" || p.system() == "windows" {
		return nil
	}
	uid, mode, err := p.held(p.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is made when Hither first starts
	}
	if err != nil {
		return []Finding{fail("the state directory "+p.State+" cannot be looked at: "+err.Error(), "Correct its permissions, or name another with `hither up --state DIRECTORY`.")}
	}
	switch {
	case !mode.IsDir():
		return []Finding{fail("the state directory "+p.State+" is no directory", "Name another with `hither up --state DIRECTORY`.")}
	case mode.Perm()&0o077 != 0:
		out = append(out, fail(fmt.Sprintf("others may enter the state directory %s (mode %04o), which holds the key of the certificate authority", p.State, mode.Perm()), "Close it: `chmod 700 "+p.Shell.Quote(p.State)+"`."))
	}
	entries, _ := os.ReadDir(p.path(p.State))
	for _, entry := range entries[:min(len(entries), maxKept)] {
		out = append(out, c.judge(p, filepath.Join(p.State, entry.Name()), uid)...)
	}
	if len(out) == 0 {
		out = append(out, well("the state directory and the authority's key are the user's alone"))
	}
	return out
}

// judge looks at one file. Keys must be closed to all others; nothing may be changed by them.
func (permissions) judge(p *Patient, file string, uid int) (out []Finding) {
	owner, mode, err := p.held(file)
	if err != nil || mode&(fs.ModeSymlink|fs.ModeSocket) != 0 {
		return nil
	}
	key := strings.HasSuffix(file, "-key.pem") || strings.HasSuffix(file, ".key")
	if owner >= 0 && owner != uid {
		out = append(out, fail(fmt.Sprintf("%s belongs to user %d, and the directory to user %d: was Hither started with sudo once?", file, owner, uid), fmt.Sprintf("Give it back: `sudo chown -R %d %s`.", uid, p.Shell.Quote(p.State))))
	}
	switch perm := mode.Perm(); {
	case key && perm&0o077 != 0:
		out = append(out, fail(fmt.Sprintf("others may read the key %s (mode %04o): with it they can pretend to be a registry to whoever trusts this root", file, perm), "Close it: `chmod 600 "+p.Shell.Quote(file)+"`; if others may have read it, make a new root: stop Hither, remove ca.pem and ca-key.pem beside it, start Hither, trust the new one."))
	case perm&0o022 != 0:
		out = append(out, warn(fmt.Sprintf("others may change %s (mode %04o)", file, perm), "Close it: `chmod go-w "+p.Shell.Quote(file)+"`."))
	}
	return out
}

func (p *Patient) held(name string) (int, fs.FileMode, error) {
	if p.Held != nil {
		return p.Held(name)
	}
	return kernel.OwnerOf(p.path(name))
}
