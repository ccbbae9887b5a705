// Package service has Hither started by itself, by what starts services on this machine: systemd for the machine or the user,
// launchd, OpenRC, the service manager of Windows. Steps are changes as any others. What is started so tells systemd by Notify how it
// is, and is a service to Windows within Run.
package service

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"hither/install"
)

// Serving is how Hither is to be started by itself.
type Serving struct {
	Exe string // path of the program, which must not move
	// User asks for a service of the user alone, which needs no rights of an administrator: without DNS and ports below
	// 1024. systemd and launchd have such.
	User bool
	// Sealed says that Hither changes nothing in homes while it runs, neither the proxy of a desktop nor that of a tool: so
	// systemd may keep it out of them, and from acting as a user.
	Sealed bool
}

// State is the state directory of the machine's service, which is not that of the user. Empty: this system has no
// place for it.
func State(m *install.Machine) string {
	switch m.System() {
	case "darwin":
		return "/Library/Application Support/hither"
	case "windows":
		return `C:\ProgramData\hither`
	case "linux":
		return "/var/lib/hither"
	}
	return ""
}

// Steps returns the steps that have Hither started at boot, or at the user's login, and now. Undone they stop it first.
// They come after all others, and so are undone first.
func Steps(m *install.Machine, s Serving) []install.Step {
	switch {
	case m.System() == "darwin":
		return launchdSteps(m, s)
	case m.System() == "windows" && !s.User:
		return windowsSteps(m, s)
	case m.System() == "linux" && m.Exists("/run/systemd/system"): // sd_booted(3)
		if s.User {
			return userUnitSteps(m, s)
		}
		return unitSteps(m, s)
	case m.System() == "linux" && m.Exists("/sbin/openrc-run") && !s.User:
		return openrcSteps(m, s)
	case s.User:
		return []install.Step{install.Refusal("have Hither started for this user", install.Refuse("this system starts nothing for a user alone that Hither knows of: call this with the rights of an administrator, or start `hither up` by your session"))}
	}
	return []install.Step{install.Refusal("have Hither started", install.Refuse("neither systemd nor OpenRC runs here: start `hither up --state %s` by what starts your other services, and let it call `hither restore` when that ends", State(m)))}
}

// unitSteps are for systemd as the manager of the machine.
func unitSteps(m *install.Machine, s Serving) []install.Step {
	const dir = "/etc/systemd/system/"
	return []install.Step{
		unitFile(m, dir+"hither-restore.service", systemdUnit("hither-restore.service", s.Exe), "systemctl", "daemon-reload"),
		unitFile(m, dir+"hither.service", homesOf(m, s, systemdUnit("hither.service", s.Exe)), "systemctl", "daemon-reload"),
		enableUnit(m, "hither-restore.service", "systemctl"),
		enableUnit(m, "hither.service", "systemctl"), startUnit(m, "hither.service", "systemctl"),
	}
}

// homesOf opens the home of the user for whom tools are set, wherever it is, or closes all.
func homesOf(m *install.Machine, s Serving, unit []byte) []byte {
	const homes, users = "ReadWritePaths=-/home -/root -/var/home\n", "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SETGID CAP_SETUID\n"
	text := string(unit)
	if s.Sealed {
		return []byte(strings.Replace(strings.Replace(text, homes, "ProtectHome=read-only\n", 1), users, "", 1))
	}
	if m.Home == "" || strings.HasPrefix(m.Home, "/home/") || m.Home == "/root" {
		return unit
	}
	return []byte(strings.Replace(text, homes, homes+"ReadWritePaths="+quoteUnit("-"+m.Home)+"\n", 1))
}

// userUnitSteps are for systemd as the manager of the user's session.
func userUnitSteps(m *install.Machine, s Serving) []install.Step {
	systemctl := m.AsUser("systemctl", "--user")
	file := m.Join(m.XDGConfig(), "systemd/user/hither.service")
	return []install.Step{
		unitFile(m, file, systemdUnit("hither-user.service", s.Exe), append(systemctl[:len(systemctl):len(systemctl)], "daemon-reload")...),
		enableUnit(m, "hither.service", systemctl...),
		startUnit(m, "hither.service", systemctl...),
	}
}

// unitFile is a file that is ours alone.
func unitFile(m *install.Machine, file string, text []byte, reload ...string) install.Step {
	e := install.Edit{
		On: m, Name: "write the service file " + file, Path: file, Mode: 0o644,
		Change: func([]byte, bool) ([]byte, error) { return text, nil },
	}
	if len(reload) > 0 {
		e.After, e.AfterUndo = [][]string{reload}, [][]string{install.Perhaps(reload)} // without systemd nobody has the file in mind
	}
	return e
}

// enableUnit has a unit started at boot. Undone it stops it too, even one that systemd is about to start again.
func enableUnit(m *install.Machine, unit string, systemctl ...string) install.Step {
	return onOff{
		m: m, name: "start " + unit + " at boot", on: "enabled", off: "disabled",
		is:  append(systemctl[:len(systemctl):len(systemctl)], "is-enabled", "--quiet", unit),
		set: append(systemctl[:len(systemctl):len(systemctl)], "enable", unit), unset: append(systemctl[:len(systemctl):len(systemctl)], "disable", "--now", unit),
	}.step()
}

func startUnit(m *install.Machine, unit string, systemctl ...string) install.Step {
	return onOff{
		m: m, name: "start " + unit + " now", on: "active", off: "inactive",
		is:  append(systemctl[:len(systemctl):len(systemctl)], "is-active", "--quiet", unit),
		set: append(systemctl[:len(systemctl):len(systemctl)], "start", unit), unset: append(systemctl[:len(systemctl):len(systemctl)], "stop", unit),
	}.step()
}

// onOff is a setting with two values, which a command tells by how it ends.
type onOff struct {
	m              *install.Machine
	name           string
	on, off        string   // words for the two
	is, set, unset []string // is succeeds when it is on
}

func (o onOff) step() install.Setting {
	check := append([]string{"sh", "-c", `if "$@" >/dev/null 2>&1; then echo ` + o.on + `; else echo ` + o.off + `; fi`, "sh"}, o.is...)
	return install.Setting{
		On: o.m, Name: o.name, Check: check,
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := o.m.Command(ctx, check...)
			return strings.TrimSpace(string(out)), true, err
		},
		Want: func(string, bool) string { return o.on },
		Set: func(ctx context.Context, _ string) error {
			_, err := o.m.Command(ctx, o.set...)
			return err
		},
		UndoSet:   func(string) []string { return o.unset },
		UndoUnset: func(string) []string { return o.unset },
	}
}

// launchdSteps are for macOS: a daemon of the machine, or an agent of the user.
func launchdSteps(m *install.Machine, s Serving) []install.Step {
	domain, dir := "system", "/Library/LaunchDaemons/"
	list := launchdList("dev.hither.plist", s.Exe)
	var steps []install.Step
	if s.User {
		id := m.UID
		if id < 0 {
			id = os.Getuid()
		}
		domain, dir = "gui/"+strconv.Itoa(id), m.Join(m.Home, "Library", "LaunchAgents")+"/"
		list = agentList(list, m.Home)
	} else {
		steps = append(steps, unitFile(m, dir+"dev.hither.restore.plist", launchdList("dev.hither.restore.plist", s.Exe)))
	}
	file := dir + "dev.hither.plist"
	return append(steps, unitFile(m, file, list), onOff{
		m: m, name: "load dev.hither into launchd's domain " + domain, on: "loaded", off: "unloaded",
		is:  []string{"launchctl", "print", domain + "/dev.hither"},
		set: []string{"launchctl", "bootstrap", domain, file}, unset: []string{"launchctl", "bootout", domain + "/dev.hither"},
	}.step())
}

// openrcSteps are for Alpine and Gentoo.
func openrcSteps(m *install.Machine, s Serving) []install.Step {
	const file = "/etc/init.d/hither"
	script := openrcScript(s.Exe)
	return []install.Step{
		install.Edit{
			On: m, Name: "write the service file " + file, Path: file, Mode: 0o755,
			Change: func([]byte, bool) ([]byte, error) { return script, nil },
		},
		onOff{
			m: m, name: "start the service hither at boot", on: "added", off: "none",
			is:  []string{"test", "-e", "/etc/runlevels/default/hither"},
			set: []string{"rc-update", "add", "hither", "default"}, unset: []string{"rc-update", "del", "hither", "default"},
		}.step(),
		onOff{
			m: m, name: "start the service hither now", on: "started", off: "stopped",
			is:  []string{"rc-service", "hither", "status"},
			set: []string{"rc-service", "hither", "start"}, unset: []string{"rc-service", "hither", "stop"},
		}.step(),
	}
}

// windowsSteps are for the service manager of Windows, by sc.exe, so that the journal can undo them without us. After two
// ends within a minute the third puts the machine back instead of starting anew.
func windowsSteps(m *install.Machine, s Serving) []install.Step {
	exe := `"` + s.Exe + `"` // no Windows path has a quote
	command := exe + " up --state " + quoteWindows(State(m))
	there := install.PowerShellCommand("if (Get-Service -Name hither -ErrorAction SilentlyContinue) { 'there' } else { 'none' }")
	runs := install.PowerShellCommand("$s = Get-Service -Name hither -ErrorAction SilentlyContinue; if ($s -and $s.Status -ne 'Stopped') { 'running' } else { 'stopped' }")
	stop := install.PowerShellCommand("Stop-Service -Name hither -Force -ErrorAction SilentlyContinue")
	return []install.Step{
		scSetting(m, "make the Windows service hither", "there", there, [][]string{
			{"sc.exe", "create", "hither", "binPath=", command, "start=", "auto", "DisplayName=", "Hither"},
			{"sc.exe", "description", "hither", "Brings what a build asks for from the nearest place that has it."},
			{"sc.exe", "failure", "hither", "reset=", "60", "actions=", "restart/200/restart/200/run/0", "command=", exe + " restore --state " + quoteWindows(State(m))},
			{"sc.exe", "failureflag", "hither", "1"},
		}, install.PowerShellCommand("Stop-Service -Name hither -Force -ErrorAction SilentlyContinue; sc.exe delete hither; if ($LASTEXITCODE -ne 0) { throw 'sc.exe delete hither failed' }")),
		scSetting(m, "start the Windows service hither", "running", runs, [][]string{{"sc.exe", "start", "hither"}}, stop),
	}
}

// scSetting is a setting that commands make, one after the other.
func scSetting(m *install.Machine, name, want string, check []string, set [][]string, undo []string) install.Step {
	return install.Setting{
		On: m, Name: name, Check: check,
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := m.Command(ctx, check...)
			return strings.TrimSpace(string(out)), true, err
		},
		Want: func(string, bool) string { return want },
		Set: func(ctx context.Context, _ string) error {
			for _, argv := range set {
				if _, err := m.Command(ctx, argv...); err != nil {
					return fmt.Errorf("%w; call this as an administrator", err)
				}
			}
			return nil
		},
		UndoSet:   func(string) []string { return undo },
		UndoUnset: func(string) []string { return undo },
	}
}

// quoteWindows makes one word of a service's command line. A backslash before the closing quote would escape it.
func quoteWindows(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\"") {
		return word
	}
	trailing := len(word) - len(strings.TrimRight(word, `\`))
	return `"` + strings.ReplaceAll(word, `"`, `\"`) + strings.Repeat(`\`, trailing) + `"`
}
