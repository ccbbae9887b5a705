package truststore

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"hither/install"
	"hither/install/installtest"
	"hither/install/stage"
)

func newRoot(t testing.TB, name string) Certificate {
	t.Helper()
	root, err := NewCertificate(stage.RootPEM(name), "/state/root.pem", "registry-1.docker.io", "ghcr.io")
	stage.Check(t, err)
	return root
}

// TestTheLayoutOfTheMachineDecidesWhereTheRootGoes has a row for each family of systems.
func TestTheLayoutOfTheMachineDecidesWhereTheRootGoes(t *testing.T) {
	for _, row := range []struct {
		system string
		files  map[string]string
		path   string
		ran    string
	}{
		{"debian", map[string]string{"/usr/sbin/update-ca-certificates": "", "/usr/local/share/ca-certificates/": ""},
			"/usr/local/share/ca-certificates/hither.crt", "update-ca-certificates"},
		{"alpine", map[string]string{"/usr/sbin/update-ca-certificates": ""}, "/usr/local/share/ca-certificates/hither.crt", "update-ca-certificates"},
		{"fedora", map[string]string{"/usr/bin/update-ca-trust": "", "/usr/bin/trust": "", "/etc/pki/ca-trust/source/anchors/": ""},
			"/etc/pki/ca-trust/source/anchors/hither.pem", "update-ca-trust extract"},
		{"arch", map[string]string{"/usr/bin/update-ca-trust": "", "/usr/bin/trust": "", "/etc/ca-certificates/trust-source/anchors/": ""},
			"/etc/ca-certificates/trust-source/anchors/hither.crt", "trust extract-compat"},
		{"suse", map[string]string{"/usr/sbin/update-ca-certificates": "", "/etc/pki/trust/anchors/": "", "/usr/share/pki/trust/anchors/": ""},
			"/etc/pki/trust/anchors/hither.pem", "update-ca-certificates"},
	} {
		t.Run(row.system, func(t *testing.T) {
			w, root := installtest.NewWorld(t, "linux", row.files), newRoot(t, "Hither A")
			before := w.Tree()
			steps := Steps(w.Machine, root)
			stage.Check(t, install.Apply(t.Context(), steps...))
			stage.Same(t, row.path, w.Text(row.path), string(root.PEM))
			stage.Same(t, "commands", strings.Join(w.Ran, ", "), row.ran)

			// A new root takes the place of the old one, and what was before both comes back.
			next := newRoot(t, "Hither B")
			installtest.InForce(t, Steps(w.Machine, next)[0], false)
			stage.Check(t, install.Apply(t.Context(), Steps(w.Machine, next)...))
			stage.Same(t, row.path, w.Text(row.path), string(next.PEM))
			installtest.InForce(t, Steps(w.Machine, next)[0], true)
			installtest.InForce(t, Steps(w.Machine, root)[0], false)
			_, err := install.Restore(t.Context(), w.Machine, nil)
			stage.Check(t, err)
			stage.Same(t, "tree", w.Tree(), before)
			stage.Same(t, "commands", len(w.Ran), 3)
		})
	}
}

func TestASystemWithoutAKnownStoreSaysSo(t *testing.T) {
	w := installtest.NewWorld(t, "linux", nil)
	if err := install.Apply(t.Context(), Steps(w.Machine, newRoot(t, "A"))...); !errors.Is(err, errNoStore) {
		t.Errorf("got %v", err)
	}
}

// A daemon that has read the system's store does not look again.
func TestTrustNamesTheDaemonsThatHaveToBeStartedAnew(t *testing.T) {
	for _, row := range []struct{ programs, want string }{
		{"", ""},
		{"/usr/bin/dockerd", "`systemctl restart docker`"},
		{"/usr/bin/dockerd /usr/bin/containerd", "dockerd and containerd may go on without it until `systemctl restart docker containerd`"},
	} {
		files := map[string]string{"/usr/sbin/update-ca-certificates": ""}
		for _, program := range strings.Fields(row.programs) {
			files[program] = ""
		}
		noted, ok := Steps(installtest.NewWorld(t, "linux", files).Machine, newRoot(t, "A"))[0].(install.Noted)
		if !ok || (row.want == "") != (noted.Note == "") || !strings.Contains(noted.Note, row.want) {
			t.Errorf("with %q\ngot  %s\nwant %s", row.programs, noted.Note, row.want)
		}
	}
}

// TestBundlesThatToolsNameGetTheRoot and nothing else of them is touched.
func TestBundlesThatToolsNameGetTheRoot(t *testing.T) {
	other := string(newRoot(t, "the company's").PEM)
	w := installtest.NewWorld(t, "linux", map[string]string{
		"/home/u/.npmrc":                     "registry=https://r.example/\n ; cafile=/no.pem\ncafile = \"${HOME}/npm.pem\"\n",
		"/home/u/npm.pem":                    strings.TrimSuffix(other, "\n"),
		"/usr/local/etc/npmrc":               "cafile=/srv/global.pem\n",
		"/srv/global.pem":                    "-> real.pem",
		"/srv/real.pem":                      strings.ReplaceAll(other, "\n", "\r\n"),
		"/home/u/.config/pip/pip.conf":       "[global]\ncert = ~/pip.pem\n",
		"/home/u/pip.pem":                    other,
		"/home/u/.condarc":                   "ssl_verify: /home/u/pip.pem\n",
		"/home/u/.gitconfig":                 "[http]\n\tsslCAInfo = /etc/ssl/certs/ca-certificates.crt\n[http \"https://x\"]\n\tsslCAInfo=/home/u/git.pem\n",
		"/home/u/git.pem":                    other,
		"/etc/ssl/certs/ca-certificates.crt": other,
		"/home/u/.cargo/config.toml":         "[http]\ncainfo = \"ca/mine.pem\"\n",
		"/home/u/ca/mine.pem":                other, // beside .cargo
		"/home/u/.yarnrc.yml":                "httpsCaFilePath: ./gone.pem\n",
		"/home/u/node.pem":                   other,
		"/home/u/.config/conda/.condarc":     "ssl_verify: truststore\n",
		"/usr/sbin/update-ca-certificates":   "",
		"/home/u/.pip/pip.conf":              "cert = /home/u/binary.p12\n",
		"/home/u/binary.p12":                 "\x30\x82\x00\x01",
	})
	w.Env = func(name string) string { return map[string]string{"NODE_EXTRA_CA_CERTS": "/home/u/node.pem"}[name] }
	before, root := w.Tree(), newRoot(t, "Hither A")
	stage.Check(t, install.Apply(t.Context(), Steps(w.Machine, root)...))
	for _, path := range []string{"/home/u/npm.pem", "/srv/real.pem", "/home/u/pip.pem", "/home/u/git.pem", "/home/u/ca/mine.pem", "/home/u/node.pem"} {
		text := w.Text(path)
		if !root.isIn([]byte(text)) || !strings.HasPrefix(strings.ReplaceAll(text, "\r", ""), other) || strings.Count(text, "BEGIN") != 2 {
			t.Errorf("%s holds\n%s\nwant the company's root and ours", path, text)
		}
	}
	stage.Same(t, "the system's bundle", w.Text("/etc/ssl/certs/ca-certificates.crt"), other)
	next := newRoot(t, "Hither B")
	stage.Check(t, install.Apply(t.Context(), Steps(w.Machine, next)...))
	text := w.Text("/home/u/pip.pem")
	stage.Same(t, "the old root is there", root.isIn([]byte(text)), false)
	stage.Same(t, "the new root is there", next.isIn([]byte(text)), true)

	// Somebody adds another root meanwhile.
	stage.Check(t, os.WriteFile(w.Path("/home/u/pip.pem"), []byte(text+other), 0o644))
	stage.Check(t, os.WriteFile(w.Path("/home/u/node.pem"), []byte(other+w.Text("/home/u/node.pem")), 0o644))
	_, err := install.Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	stage.Same(t, "pip.pem", w.Text("/home/u/pip.pem"), other+other)
	stage.Same(t, "node.pem", w.Text("/home/u/node.pem"), other+other)
	stage.Check(t, os.WriteFile(w.Path("/home/u/pip.pem"), []byte(other), 0o644))
	stage.Check(t, os.WriteFile(w.Path("/home/u/node.pem"), []byte(other), 0o644))
	stage.Same(t, "tree", w.Tree(), before)
}

// containerd looks for docker.io where the name of the image says, and passes over the directory of the registry's host.
func TestContainerdGetsTheRootByTheNameInTheImage(t *testing.T) {
	const path = "/etc/containerd/certs.d/docker.io/ca.crt"
	for _, row := range []struct {
		name string
		file string
		want bool
	}{
		{"nothing else", "/etc/containerd/config.toml", true},
		{"a default of the user's, which a new directory would put out of force", "/etc/containerd/certs.d/_default/hosts.toml", false},
		{"a docker.io of the user's", "/etc/containerd/certs.d/docker.io/client.cert", true},
	} {
		w, root := installtest.NewWorld(t, "linux", map[string]string{row.file: "", "/usr/sbin/update-ca-certificates": ""}), newRoot(t, "Hither A")
		before := w.Tree()
		stage.Check(t, install.Apply(t.Context(), Steps(w.Machine, root)...))
		stage.Same(t, row.name, w.Machine.Exists(path) && root.isIn([]byte(w.Text(path))), row.want)
		stage.Same(t, row.name+": another registry has a new directory", w.Machine.Exists("/etc/containerd/certs.d/ghcr.io"), !strings.Contains(row.file, "_default"))
		_, err := install.Restore(t.Context(), w.Machine, nil)
		stage.Check(t, err)
		stage.Same(t, row.name+": tree afterwards", w.Tree(), before)
	}
}

func TestContainerDaemonsGetTheRootForEachRegistry(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{"/etc/docker/certs.d/ghcr.io/ca.crt": "-----BEGIN x\n", "/usr/sbin/update-ca-certificates": ""})
	before, root := w.Tree(), newRoot(t, "A")
	stage.Check(t, install.Apply(t.Context(), Steps(w.Machine, root)...))
	stage.Same(t, "docker.io", root.isIn([]byte(w.Text("/etc/docker/certs.d/registry-1.docker.io/ca.crt"))), true)
	stage.Same(t, "ghcr.io", w.Text("/etc/docker/certs.d/ghcr.io/ca.crt"), "-----BEGIN x\n"+marker+"\n"+string(root.PEM))
	_, err := install.Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	stage.Same(t, "tree", w.Tree(), before)
}

// keeper plays a program that keeps certificates: it lists, adds and deletes.
type keeper struct {
	root Certificate
	has  map[string]string // by store
}

func (k *keeper) play(argv []string, _ []byte) ([]byte, error) {
	line := strings.Join(argv, " ")
	store := "the store"
	for i, arg := range argv[:len(argv)-1] {
		if arg == "-keystore" || arg == "-d" && strings.HasPrefix(argv[i+1], "sql:") {
			store = argv[i+1]
		}
	}
	contains := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
	}
	switch {
	case contains(" -addstore", " -A ", " -importcert", "add-trusted-cert"):
		k.has[store] += string(k.root.PEM) + "SHA-1 hash: " + k.root.sha1 + ";"
	case contains(" -delstore", " -D ", " -delete ", "delete-certificate"):
		kept := ""
		for _, entry := range strings.SplitAfter(k.has[store], ";") {
			if digest := entry[max(0, len(entry)-41):]; store == "the store" && !contains(strings.TrimSuffix(digest, ";")) {
				kept += entry
			}
		}
		if kept == k.has[store] {
			return nil, errors.New("exit status 255")
		}
		if k.has[store] = kept; kept == "" {
			delete(k.has, store)
		}
	case contains(" -store", " -L ", " -list"):
		digest := argv[len(argv)-1]
		if k.has[store] == "" || len(digest) == 40 && !strings.Contains(k.has[store], digest) {
			return nil, errors.New("exit status 1")
		}
		if len(digest) == 40 {
			return []byte(digest), nil
		}
		return []byte(k.has[store]), nil
	case contains("find-certificate"):
		for _, entry := range strings.SplitAfter(k.has[store], ";") {
			if text, digest, ok := strings.Cut(entry, "SHA-1"); ok {
				c, err := NewCertificate([]byte(text), "")
				if err == nil && contains(install.QuotePosix(c.name)) {
					return []byte("SHA-1" + digest), nil
				}
			}
		}
	}
	return nil, nil
}

func TestStoresBehindProgramsAreAskedAndToldByThem(t *testing.T) {
	for _, row := range []struct {
		name, system string
		files        map[string]string
		stores       []string
	}{
		{"NSS of Firefox and Chromium", "linux", map[string]string{
			"/usr/bin/certutil": "", "/home/u/.pki/nssdb/cert9.db": "", "/home/u/.mozilla/firefox/a.default/cert9.db": "",
			"/home/u/snap/firefox/common/.mozilla/firefox/b/cert9.db": "", "/home/u/.var/app/org.chromium.Chromium/data/pki/nssdb/cert9.db": "",
			"/usr/sbin/update-ca-certificates": "",
		}, []string{
			"sql:/home/u/.pki/nssdb", "sql:/home/u/.mozilla/firefox/a.default", "sql:/home/u/snap/firefox/common/.mozilla/firefox/b",
			"sql:/home/u/.var/app/org.chromium.Chromium/data/pki/nssdb",
		}},
		{"Java without the system's store", "linux", map[string]string{
			"/usr/lib/jvm/one/lib/security/cacerts": "-> /etc/ssl/certs/java/cacerts", "/etc/ssl/certs/java/cacerts": "", "/usr/lib/jvm/one/bin/keytool": "",
			"/home/u/.sdkman/candidates/java/21/lib/security/cacerts": "", "/home/u/.sdkman/candidates/java/21/bin/keytool": "",
			"/home/u/.sdkman/candidates/java/current": "-> 21", "/opt/java/openjdk/jre/lib/security/cacerts": "", "/opt/java/openjdk/bin/keytool": "",
			"/usr/sbin/update-ca-certificates": "",
		}, []string{"/home/u/.sdkman/candidates/java/21/lib/security/cacerts", "/opt/java/openjdk/jre/lib/security/cacerts"}},
		{"the keychain", "darwin", map[string]string{"/Library/Keychains/System.keychain": ""}, []string{"the store"}},
		{"the store of Windows", "windows", map[string]string{`C:\Windows\System32\certutil.exe`: ""}, []string{"the store"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, root := installtest.NewWorld(t, row.system, row.files), newRoot(t, "Hither's A")
			k := &keeper{root, map[string]string{}}
			w.Play = k.play
			before := w.Tree()
			steps := Steps(w.Machine, root)
			stage.Check(t, install.Apply(t.Context(), steps...))
			for _, store := range row.stores {
				if k.has[store] == "" {
					t.Errorf("%s has no root; commands:\n%s", store, strings.Join(w.Ran, "\n"))
				}
			}
			stage.Same(t, "stores", len(k.has), len(row.stores))
			for _, step := range steps {
				installtest.InForce(t, step, true)
			}
			k.root = newRoot(t, "Hither's B")
			stage.Check(t, install.Apply(t.Context(), Steps(w.Machine, k.root)...))
			records, err := w.Journal.Records()
			stage.Check(t, err)
			if n := len(records); n > len(steps) {
				t.Errorf("%d changes stand, want the former root's taken back", n)
			}
			for _, step := range Steps(w.Machine, k.root) {
				installtest.InForce(t, step, true)
			}
			_, err = install.Restore(t.Context(), w.Machine, nil)
			stage.Check(t, err)
			stage.Same(t, "stores at the end", len(k.has), 0)
			stage.Same(t, "tree", w.Tree(), before)
		})
	}
}

func FuzzAddTo(f *testing.F) {
	root := newRoot(f, "A")
	f.Add([]byte(marker + "\n-----BEGIN CERTIFICATE-----\n"))
	f.Add(append([]byte("x\r\n-----BEGIN y"), root.PEM...))
	f.Fuzz(func(t *testing.T, old []byte) {
		once, err := root.addTo(slices.Clone(old), true)
		if err != nil {
			return
		}
		if !root.isIn(once) {
			t.Skip("an unfinished block before ours hides it from every reader")
		}
		twice, err := root.addTo(slices.Clone(once), true)
		stage.Check(t, err)
		stage.Same(t, "again", string(twice), string(once))
	})
}

// TestRootDoesNotRunWhatAUserPutThere: a Java in a home is asked as that user, also when the journal is undone.
func TestRootDoesNotRunWhatAUserPutThere(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{
		"/home/u/.jdks/17/bin/keytool": "", "/home/u/.jdks/17/lib/security/cacerts": "",
		"/usr/lib/jvm/21/bin/keytool": "", "/usr/lib/jvm/21/lib/security/cacerts": "",
	})
	w.UID, w.GID = 4711, 4711
	for _, step := range javaStores(w.Machine, newRoot(t, "A")) {
		s := step.(install.Setting)
		users := strings.Contains(s.Name, "/home/u")
		for _, argv := range [][]string{s.Check, s.UndoUnset(""), s.UndoSet("")} {
			stage.Same(t, strings.Join(argv, " "), slices.Contains(argv, "--reuid=4711"), users)
		}
	}
}

// TestAKeyIsNoBundle, though a setting of a user may name it so.
func TestAKeyIsNoBundle(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{
		"/home/u/.npmrc": "cafile=/etc/ssh/key\n", "/etc/ssh/key": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
	})
	stage.Same(t, "steps", len(bundles(w.Machine, newRoot(t, "A"))), 0)
}
