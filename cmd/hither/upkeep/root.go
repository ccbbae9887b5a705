package upkeep

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"hither/cmd/hither/private"
	"hither/cmd/hither/settings"
	"hither/forward/authority"
	"hither/install"
	"hither/install/ownfile"
	"hither/install/service"
	"hither/install/truststore"
)

// mayVouch refuses a root whose key is somebody else's, neither root's nor that of the user for whom the machine is changed: he
// could then vouch for the registries to everybody here.
func (i *Installation) mayVouch() error {
	info, err := os.Stat(i.Settings.State)
	if err != nil || !i.Wanted.Trust || os.Geteuid() != 0 {
		return nil //nolint:nilerr // a directory that is not there is made as ours
	}
	owner, _, _ := ownfile.Owner(info)
	if owner <= 0 || owner == i.Upkeep.UID {
		return nil
	}
	who := nameOf(owner)
	return &settings.FlagError{Err: fmt.Errorf("%s belongs to %s, who could vouch for the registries to every program here if its root were trusted: say with --user %s that it is done for that user, or name another directory with --state", i.Settings.State, who, who)}
}

// Foreign is the name of the user whose state directory it is, or would be where it is yet to be made, if root is asked about it; empty:
// it is ours.
func Foreign(state string) string {
	if os.Geteuid() != 0 {
		return ""
	}
	for dir := filepath.Clean(state); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil && dir != filepath.Dir(dir) {
			continue
		}
		owner := -1
		if err == nil {
			owner, _, _ = ownfile.Owner(info)
		}
		if owner <= 0 {
			return ""
		}
		return nameOf(owner)
	}
}

// nameOf is a user's name, or else his number.
func nameOf(uid int) string {
	who := strconv.Itoa(uid)
	if found, err := user.LookupId(who); err == nil {
		return found.Username
	}
	return who
}

// JournalDir is where changes of ours are written down: root's not in the directory of another user, who would say there what root is
// to undo, and could not write his own beside them.
func JournalDir(m *install.Machine, state string) string {
	if Foreign(state) != "" {
		return service.State(m)
	}
	return state
}

// rootOpener returns the root in PEM, and its file.
type rootOpener func(state string, hosts []string, now func() time.Time) (text []byte, file string, err error)

// OpenRoot opens the authority of the installed Hither, or makes it. For the Hither of another user root makes none, nor the directory:
// he could use neither.
func OpenRoot(state string, hosts []string, now func() time.Time) ([]byte, string, error) {
	if owner := Foreign(state); owner != "" {
		text, file, err := authority.Preview(state, hosts, now)
		if err != nil {
			return nil, "", err
		}
		if there, _ := os.ReadFile(file); !bytes.Equal(there, text) { // one that cannot be read is none
			return nil, "", &settings.FlagError{Err: fmt.Errorf("%s is for the Hither of %s, which could not use a root certificate that root makes there: have it made by `hither up`, called as that user, then call this again; or leave --state out, for a Hither of this machine", state, owner)}
		}
		return text, file, nil
	}
	if err := private.MakeDir(state); err != nil {
		return nil, "", err
	}
	ca, err := authority.Open(state, hosts, now)
	if err != nil {
		return nil, "", err
	}
	return ca.PEM(), ca.File(), nil
}

// root is what the machine is to trust.
func (i *Installation) root(open rootOpener) (truststore.Certificate, error) {
	text, file, err := open(i.Settings.State, i.Rules.Hosts(), time.Now)
	if err != nil {
		return truststore.Certificate{}, err
	}
	var registries []string
	for _, rule := range i.Rules.Rules() {
		for _, host := range rule.Hosts {
			if rule.Walk == "oci" {
				registries = append(registries, host.Name)
			}
		}
	}
	return truststore.NewCertificate(text, file, registries...)
}
