package truststore

import (
	"context"
	"path/filepath"
	"strings"

	"hither/install"
)

// systemKeychain is where macOS keeps what all users trust.
const systemKeychain = "/Library/Keychains/System.keychain"

// soleRoot is the step for one root in a store that tells roots apart by their digests, and so does the journal. A former root
// of ours goes when the new one is in.
type soleRoot struct {
	install.Setting
	prefix string // of the steps' names
}

// Do adds the root, then takes former ones out.
func (s soleRoot) Do(ctx context.Context) error {
	if err := s.Setting.Do(ctx); err != nil {
		return err
	}
	return s.On.UndoOthers(ctx, s.prefix, s.Name)
}

// keychain trusts the root for TLS servers, and for nothing else: neither code nor mail.
func keychain(m *install.Machine, root Certificate) install.Step {
	show := "security find-certificate -a -Z -c '" + install.QuotePosix(root.name) + "' " + systemKeychain + " 2>/dev/null | grep '^SHA-1' || true"
	check := []string{"/bin/sh", "-c", show}
	remove := []string{"security", "delete-certificate", "-Z", root.sha1, "-t", systemKeychain}
	const prefix = "trust in " + systemKeychain + " the root certificate "
	return soleRoot{prefix: prefix, Setting: install.Setting{
		On: m, Name: prefix + root.sha1[:8],
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := m.Command(ctx, check...)
			if err != nil || !strings.Contains(string(out), root.sha1) {
				return "", false, err
			}
			// It may be there and not be trusted any more.
			_, err = m.Command(ctx, "security", "verify-cert", "-q", "-L", "-l", "-p", "ssl", "-c", root.File)
			if err != nil {
				return "", false, nil //nolint:nilerr // the failure is the answer
			}
			return root.sha1, true, nil
		},
		Want: func(string, bool) string { return root.sha1 },
		Set: func(ctx context.Context, _ string) error {
			_, err := m.Command(ctx, "security", "add-trusted-cert", "-d", "-r", "trustRoot", "-p", "ssl", "-k", systemKeychain, root.File)
			return err
		},
		UndoSet: func(string) []string { return remove }, UndoUnset: func(string) []string { return remove },
		Check: check,
	}}
}

// rootStore trusts the root in the store of Windows: the machine's for an administrator, else the user's, which asks.
func rootStore(m *install.Machine, root Certificate) install.Step {
	scope := []string{"certutil.exe", "-user"}
	place := "the user's store Root"
	if m.Privileged() {
		scope, place = scope[:1], "the machine's store Root"
	}
	call := func(args ...string) []string { return append(append([]string(nil), scope...), args...) }
	remove := call("-delstore", "Root", root.sha1)
	prefix := "trust in " + place + " the root certificate "
	return soleRoot{prefix: prefix, Setting: install.Setting{
		On: m, Name: prefix + root.sha1[:8],
		Get: func(ctx context.Context) (string, bool, error) {
			_, err := m.Command(ctx, call("-store", "Root", root.sha1)...)
			return root.sha1, err == nil, ctx.Err()
		},
		Want: func(string, bool) string { return root.sha1 },
		Set: func(ctx context.Context, _ string) error {
			_, err := m.Command(ctx, call("-f", "-addstore", "Root", root.File)...)
			return err
		},
		UndoSet: func(string) []string { return remove }, UndoUnset: func(string) []string { return remove },
		Check: call("-store", "Root", root.sha1),
	}}
}

// nickname is what our root is called in stores that name their entries.
const nickname = "Hither"

// nssStores are the databases of Firefox, Chromium and what is built on them. They are changed only where certutil of NSS
// is there; Windows has another program of that name, and Firefox takes the system's roots there.
func nssStores(m *install.Machine, root Certificate) []install.Step {
	if m.System() == "windows" || m.Home == "" || !m.Look("certutil") {
		return nil
	}
	var steps []install.Step
	for _, pattern := range []string{
		"/.pki/nssdb", "/.local/share/pki/nssdb", "/snap/chromium/current/.pki/nssdb", "/.var/app/*/.pki/nssdb", "/.var/app/*/data/pki/nssdb",
		"/.mozilla/firefox/*", "/.config/mozilla/firefox/*", "/snap/firefox/common/.mozilla/firefox/*",
		"/.var/app/org.mozilla.firefox/.mozilla/firefox/*", "/.var/app/org.mozilla.firefox/config/mozilla/firefox/*",
		"/Library/Application Support/Firefox/Profiles/*",
	} {
		for _, db := range m.Glob(m.Home + pattern + "/cert9.db") {
			steps = append(steps, nss(m, root, filepath.ToSlash(filepath.Dir(db))))
		}
	}
	return steps
}

func nss(m *install.Machine, root Certificate, dir string) install.Step {
	call := func(args ...string) []string {
		argv := append([]string{"certutil", "-d", "sql:" + dir}, args...)
		return m.AsUser(argv...) // a file of root's beside the database would lock its owner out
	}
	show := call("-L", "-n", nickname, "-a")
	remove := call("-D", "-n", nickname)
	return inStore(m, root, "trust the root certificate in the NSS database "+dir, show, remove, func(ctx context.Context) error {
		_, err := m.Feed(ctx, root.PEM, call("-A", "-t", "C,,", "-n", nickname, "-a")...)
		return err
	})
}

// inStore is a root in a store that has a program of its own: show prints it in PEM, remove takes ours out, and add puts it in.
func inStore(m *install.Machine, root Certificate, name string, show, remove []string, add func(context.Context) error) install.Step {
	return install.Setting{
		On: m, Name: name,
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := m.Command(ctx, show...)
			if err != nil {
				return "", false, ctx.Err() // it says so by its exit status
			}
			if root.isIn(out) {
				return root.sha256, true, nil
			}
			return "another", true, nil
		},
		Want: func(string, bool) string { return root.sha256 },
		Set: func(ctx context.Context, _ string) error {
			_, _ = m.Command(ctx, remove...) // a former root of ours
			return add(ctx)
		},
		UndoSet: func(string) []string { return remove }, UndoUnset: func(string) []string { return remove },
		Check: show,
	}
}
