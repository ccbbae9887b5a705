package install

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
)

// AsUser makes a command run as the user for whom tools are set, in the reach of his session, when we are root. Where we are that
// user, it is argv.
func (m *Machine) AsUser(argv ...string) []string {
	if m.UID <= 0 || m.UID == os.Getuid() {
		if !amRoot(m) || m.Home == "" {
			return argv
		}
		// The unit that undoes it at the next boot has another home, other settings (XDG_CONFIG_HOME=/etc), and no session.
		return append([]string{"env", "HOME=" + m.Home, "XDG_CONFIG_HOME=" + m.XDGConfig(), "XDG_RUNTIME_DIR=/run/user/0"}, argv...)
	}
	id, run := strconv.Itoa(m.UID), "/run/user/"+strconv.Itoa(m.UID)
	group := strconv.Itoa(m.GID)
	if m.GID < 0 {
		group = id
	}
	if m.System() == "darwin" {
		return append([]string{"sudo", "-n", "-u", "#" + id, "--", "env", "HOME=" + m.Home}, argv...)
	}
	return append([]string{
		"setpriv", "--reuid=" + id, "--regid=" + group, "--clear-groups", "--", "env", "HOME=" + m.Home, "XDG_CONFIG_HOME=" + m.XDGConfig(), "XDG_RUNTIME_DIR=" + run,
		"DBUS_SESSION_BUS_ADDRESS=unix:path=" + run + "/bus",
	}, argv...)
}

// Perhaps is a command whose failure is no reason to stop: it only tells running programs what they will read anyway.
func Perhaps(argv []string) []string {
	return append([]string{"sh", "-c", `"$@" >/dev/null 2>&1 || :`, "sh"}, argv...)
}

// PowerShellCommand runs a script without the user's profile. What fails in it fails the whole.
func PowerShellCommand(script string) []string {
	return []string{"powershell.exe", "-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command",
		"$ErrorActionPreference='Stop'; $ProgressPreference='SilentlyContinue'; " + script}
}

// ServiceNames reads what `networksetup -listallnetworkservices` of macOS prints. It leaves out the first line, which explains, and
// those with an asterisk, which are switched off.
func ServiceNames(listed []byte) (names []string) {
	lines := bufio.NewScanner(bytes.NewReader(listed))
	for first := true; lines.Scan(); first = false {
		if name := strings.TrimSpace(lines.Text()); !first && name != "" && !strings.HasPrefix(name, "*") {
			names = append(names, name)
		}
	}
	return names
}

// QuotePosix is for text between single quotes of the shell.
func QuotePosix(text string) string { return strings.ReplaceAll(text, "'", `'\''`) }

// QuotePowerShell makes a string that is taken as it is. PowerShell takes typographical quotes for quotes too.
func QuotePowerShell(s string) string {
	return "'" + strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛").Replace(s) + "'"
}
