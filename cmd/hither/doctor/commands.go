package doctor

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The commands of remedies.

// call is a command of Hither's that finds the same state directory.
func (p *Patient) call(command string) string {
	if p.Call == nil || p.Daemon.Stranger {
		return "hither " + command
	}
	return p.Call(command)
}

// start is what has Hither started.
func (p *Patient) start() string {
	if p.Service != nil {
		return p.service(p.Service.Start())
	}
	return "`" + p.call("up") + "`"
}

// lastWords is where a service that does not stay up says why; empty: nobody knows.
func (p *Patient) lastWords() string {
	if p.Service == nil || len(p.Service.Log) == 0 {
		return ""
	}
	return ", and if it ends, see why: " + p.service(p.Service.Log)
}

// again is what ends Hither and starts it.
func (p *Patient) again() string {
	switch {
	case p.Service != nil:
		return p.service(p.Service.Restart())
	case p.Daemon.PID == 0:
		return "`" + p.call("status") + "`, then `" + p.call("up") + "`"
	case p.system() == "windows":
		return fmt.Sprintf("`taskkill /PID %d`, then `%s`", p.Daemon.PID, p.call("up"))
	}
	return fmt.Sprintf("`kill %d`, then `%s`", p.Daemon.PID, p.call("up"))
}

// set is what has Hither started with other settings, which are names and values in turn.
func (p *Patient) set(settings ...string) string {
	if p.Service == nil {
		command := p.call("up")
		for i := 0; i < len(settings); i += 2 {
			command += " --" + settings[i] + " " + settings[i+1]
		}
		return "`" + command + "`"
	}
	var lines []string
	for i := 0; i < len(settings); i += 2 {
		lines = append(lines, fmt.Sprintf("`%s = %q`", settings[i], settings[i+1]))
	}
	return strings.Join(lines, " and ") + " in " + cmp.Or(p.Service.Config, p.Config) + ", then " + p.service(p.Service.Restart())
}

// elsewhere is what gives Hither another state directory; that of a service is always the same.
func (p *Patient) elsewhere() string {
	if p.Service != nil {
		return "mount another disk on " + p.State
	}
	return "`hither up --state DIRECTORY`"
}

// service is a command for what starts services; that of the machine is root's to give.
func (p *Patient) service(command []string) string {
	text := strings.Join(command, " ")
	if !p.Service.User {
		text = "sudo " + text
	}
	return "`" + text + "`"
}

// thisShell puts the shell behind Hither.
func (p *Patient) thisShell() string { return p.Shell.Use(p.call("env")) }

// export sets a variable; what the shell cannot be told is at least said.
func (p *Patient) export(name, value string) string {
	line, err := p.Shell.Set(name, value)
	if err != nil {
		return name + "=" + value
	}
	return line
}

// installs is the command for one change to the machine that can be undone; empty: there is none. The state directory is
// named because with sudo another one would be meant, with another root.
func (p *Patient) installs(what string) string {
	if p.Install == "" {
		return ""
	}
	command := p.Install + " " + what
	if p.State != "" && !p.Daemon.Stranger {
		command += " --state " + p.Shell.Quote(p.State)
	}
	if p.system() != "windows" {
		command = "sudo " + command
	}
	return command
}

// appendRemedy adds our root to a file of roots that a user keeps. The system's own bundle is not to be written by hand,
// and what is in our state directory Hither makes itself.
func (p *Patient) appendRemedy(file string) string {
	shell := "for this shell: `" + p.thisShell() + "`."
	switch {
	case p.Daemon.Stranger && p.Install != "":
		return "Let the Hither of this machine tell its tools: `" + p.installs("--trust --tools found") + "`."
	case slices.Contains(systemFiles(), file):
		return "Add it to the system's roots, from which that file is made: `" + p.trustCommand() + "`; or " + shell
	case p.State != "" && strings.HasPrefix(file, p.State+string(filepath.Separator)):
		return "The file is an earlier one of Hither's; have a new one made " + shell
	}
	return "Add Hither's root to it: `cat " + p.Shell.Quote(p.rootFile()) + " >> " + p.Shell.Quote(file) + "`; or " + shell
}
