package truststore

import (
	"context"
	"os"
	"strings"

	"hither/install"
	"hither/install/ownfile"
)

// javaWord opens the store of roots of every Java, as it is delivered. Whoever has changed it adds the root by hand.
const javaWord = "changeit"

// javaHomes are where Javas are, by pattern. JAVA_HOME may name a Java that is long gone, so it is only one of them.
func javaHomes(m *install.Machine) []string {
	home := m.Home
	patterns := []string{m.Getenv("JAVA_HOME"), home + "/.sdkman/candidates/java/*", home + "/.jdks/*", home + "/.asdf/installs/java/*", home + "/.local/share/mise/installs/java/*"}
	switch m.System() {
	case "darwin":
		return append(patterns, "/Library/Java/JavaVirtualMachines/*/Contents/Home", home+"/Library/Java/JavaVirtualMachines/*/Contents/Home",
			"/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home", "/usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home")
	case "windows":
		return []string{patterns[0], `C:\Program Files\Java\*`, `C:\Program Files\Eclipse Adoptium\*`, `C:\Program Files\Microsoft\jdk*`,
			`C:\Program Files\Zulu\*`, `C:\Program Files\Amazon Corretto\*`, home + `\.jdks\*`}
	}
	return append(patterns, "/usr/lib/jvm/*", "/usr/java/*", "/opt/java/*", "/opt/jdk*", "/usr/local/openjdk*", "/opt/ibm/java*")
}

// javaStores are the stores that belong to a Java alone. On most Linux systems they are links to one that the system's own
// tool makes, which has our root by then.
func javaStores(m *install.Machine, root Certificate) []install.Step {
	var steps []install.Step
	seen := map[string]bool{}
	for _, pattern := range javaHomes(m) {
		if pattern == "" {
			continue
		}
		for _, home := range m.Glob(pattern) {
			store := javaStore(m, home)
			real, err := m.Resolve(m.Path(store))
			if store == "" || err != nil || seen[real] || underSystem(m, store) {
				continue
			}
			seen[real] = true
			if tool := keytool(m, home); tool != "" {
				steps = append(steps, java(m, root, tool, m.Below(real)))
			}
		}
	}
	return steps
}

// javaStore is the store of a Java; empty: it has none, as when only a part of it was removed.
func javaStore(m *install.Machine, home string) string {
	for _, p := range []string{"/lib/security/cacerts", "/jre/lib/security/cacerts"} {
		if m.Exists(home + p) {
			return home + p
		}
	}
	return ""
}

func keytool(m *install.Machine, home string) string {
	for _, p := range []string{"/bin/keytool", "/jre/bin/keytool", `\bin\keytool.exe`, `\jre\bin\keytool.exe`} {
		if m.Exists(home + p) {
			return home + p
		}
	}
	if m.Look("keytool") {
		return "keytool"
	}
	return ""
}

// isUsers says that a program stands in the home of the user for whom tools are set, or is his.
func isUsers(m *install.Machine, program string) bool {
	if m.UID <= 0 || !m.IsAbs(program) {
		return false
	}
	real, err := m.Resolve(m.Path(program))
	if err != nil || install.IsBelow(m.Path(program), m.Path(m.Home)) {
		return true
	}
	info, err := os.Stat(real)
	if err != nil {
		return true
	}
	uid, _, _ := ownfile.Owner(info)
	return uid == m.UID
}

func java(m *install.Machine, root Certificate, tool, store string) install.Step {
	call := func(args ...string) []string {
		argv := append(append([]string{tool}, args...), "-alias", strings.ToLower(nickname), "-keystore", store, "-storepass", javaWord)
		if isUsers(m, tool) { // root does not run what a user may have put there
			return m.AsUser(argv...)
		}
		return argv
	}
	show := call("-list", "-rfc")
	remove := call("-delete")
	return inStore(m, root, "trust the root certificate in the Java key store "+store, show, remove, func(ctx context.Context) error {
		_, err := m.Command(ctx, call("-importcert", "-noprompt", "-trustcacerts", "-file", root.File)...)
		return err
	})
}
