package service

import (
	"bytes"
	"encoding/xml"
	"strings"

	"hither/install"
	"hither/install/files"
)

// shipped is a file that is known to be there.
func shipped(name string) string {
	data, err := files.Read(name)
	if err != nil {
		panic(err) // it is in the binary
	}
	return string(data)
}

// systemdUnit is a unit that starts exe. sign is kept: + gives every privilege, - lets it fail.
func systemdUnit(name, exe string) []byte {
	var out strings.Builder
	for line := range strings.Lines(shipped(name)) {
		key, command, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || !strings.HasPrefix(key, "Exec") {
			out.WriteString(line)
			continue
		}
		sign, rest, _ := strings.Cut(command, "/usr/bin/hither")
		out.WriteString(key + "=" + sign + quoteUnit(exe) + rest + "\n")
	}
	return []byte(out.String())
}

// quoteUnit writes a word of a command in a unit (systemd.service(5), "Command lines"): % means something everywhere, $ in
// all words but the first.
func quoteUnit(word string) string {
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "\n", `\n`).Replace(word)
	if word == "" || strings.ContainsAny(word, " \t'\"\\;") {
		return `"` + word + `"`
	}
	return word
}

// launchdList is a property list that starts exe.
func launchdList(name, exe string) []byte {
	return []byte(strings.Replace(shipped(name), "<string>/usr/local/bin/hither</string>", "<string>"+escapeXML(exe)+"</string>", 1))
}

// agentList is the list of a daemon as that of one user: with his own state directory, and a log that he can write.
func agentList(list []byte, home string) []byte {
	before, rest, _ := bytes.Cut(list, []byte("\t<key>EnvironmentVariables</key>\n"))
	_, after, _ := bytes.Cut(rest, []byte("\t</dict>\n"))
	return bytes.Replace(append(before, after...), []byte("/var/log/hither.log"), []byte(escapeXML(home)+"/Library/Logs/hither.log"), 1)
}

func escapeXML(s string) string {
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(s)); err != nil {
		panic(err) // a Builder takes everything
	}
	return out.String()
}

// openrcScript is a script that starts exe.
func openrcScript(exe string) []byte {
	return []byte(strings.Replace(shipped("hither.openrc"), `command="/usr/bin/hither"`, "command='"+install.QuotePosix(exe)+"'", 1))
}
