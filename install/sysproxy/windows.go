package sysproxy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
)

const internetSettings = `HKCU:\Software\Microsoft\Windows\CurrentVersion\Internet Settings`

// wininet are the values of the Internet settings; nil: there is none.
type wininet struct {
	Enable   *int
	Server   *string
	Override *string
	Script   *string
}

func parseWininet(text string) (w wininet, err error) {
	list := []any{&w.Enable, &w.Server, &w.Override, &w.Script}
	err = json.Unmarshal([]byte(text), &list)
	if err != nil || len(list) != 4 {
		return w, fmt.Errorf("the Internet settings could not be read (%.100q): see `reg query %s`", text, strings.Replace(internetSettings, ":", "", 1))
	}
	return w, nil
}

func (w wininet) String() string {
	text, err := json.Marshal([]any{w.Enable, w.Server, w.Override, w.Script})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return string(text)
}

// script writes the values and tells the programs that run: 39 is INTERNET_OPTION_SETTINGS_CHANGED, 37 INTERNET_OPTION_REFRESH.
func (w wininet) script() string {
	var s strings.Builder
	fmt.Fprintf(&s, "$k = %s; ", install.QuotePowerShell(internetSettings))
	put := func(name, kind, value string, there bool) {
		if there {
			fmt.Fprintf(&s, "Set-ItemProperty -LiteralPath $k -Name %s -Type %s -Value %s; ", name, kind, value)
		} else {
			fmt.Fprintf(&s, "Remove-ItemProperty -LiteralPath $k -Name %s -ErrorAction SilentlyContinue; ", name)
		}
	}
	text := func(name string, value *string) {
		if value == nil {
			put(name, "", "", false)
		} else {
			put(name, "String", install.QuotePowerShell(*value), true)
		}
	}
	text("ProxyServer", w.Server)
	text("ProxyOverride", w.Override)
	if w.Enable == nil {
		put("ProxyEnable", "", "", false)
	} else {
		put("ProxyEnable", "DWord", fmt.Sprint(*w.Enable), true)
	}
	s.WriteString("$t = Add-Type -PassThru -Namespace Hither -Name WinInet -MemberDefinition ('[DllImport({0}wininet.dll{0})] " +
		"public static extern bool InternetSetOption(System.IntPtr h, int o, System.IntPtr b, int n);' -f [char]34); " +
		"foreach ($o in 39, 37) { [void]$t::InternetSetOption([IntPtr]::Zero, $o, [IntPtr]::Zero, 0) }")
	return s.String()
}

// wininetStep sets the proxy that Edge, Chrome, .NET and Go's users of the system proxy read. It is one step, because
// server, exceptions and switch mean something only together.
func wininetStep(m *install.Machine, p Proxying) install.Step {
	check := install.PowerShellCommand("$p = Get-ItemProperty -LiteralPath " + install.QuotePowerShell(internetSettings) +
		"; ConvertTo-Json -Compress -InputObject @($p.ProxyEnable, $p.ProxyServer, $p.ProxyOverride, $p.AutoConfigURL)")
	return install.Setting{
		On: m, Name: "set the proxy of the Internet settings of Windows", Volatile: true, Check: check,
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := m.Command(ctx, check...)
			if err != nil {
				return "", false, err
			}
			w, err := parseWininet(string(out))
			if err == nil {
				err = p.mayTakeWininet(w)
			}
			return w.String(), true, err
		},
		Want: func(old string, _ bool) string {
			w, err := parseWininet(old)
			if err != nil {
				return old // Get has read it before
			}
			on, override := 1, ""
			if w.Override != nil {
				override = *w.Override
			}
			override = strings.Join(p.overrides(m, override), ";")
			w.Enable, w.Server, w.Override = &on, &p.Address, &override
			return w.String()
		},
		Set: func(ctx context.Context, value string) error {
			w, err := parseWininet(value)
			if err == nil {
				_, err = m.Command(ctx, install.PowerShellCommand(w.script())...)
			}
			return err
		},
		UndoSet: func(old string) []string {
			w, _ := parseWininet(old) // Get has made it
			return install.PowerShellCommand(w.script())
		},
		UndoUnset: func(string) []string { return install.PowerShellCommand(wininet{}.script()) },
	}
}

func (p Proxying) mayTakeWininet(w wininet) error {
	if w.Script != nil && *w.Script != "" {
		return install.Refuse("the proxy of Windows is chosen by a script (%s): switch that off in Settings, Network, Proxy and name the proxy with upstream-proxy in Hither's config.toml, or leave the proxy settings out", proxyname.Shown(*w.Script))
	}
	if w.Enable == nil || *w.Enable == 0 || w.Server == nil {
		return nil
	}
	for _, part := range strings.FieldsFunc(*w.Server, func(r rune) bool { return r == ';' || r == ' ' }) {
		kind, address, ok := strings.Cut(part, "=")
		if !ok {
			address = kind
		}
		if err := p.mayTake("the proxy setting of Windows", address); err != nil {
			return err
		}
	}
	return nil
}

// overrides is the user's list, then ours, as Windows writes it: *.example for a domain, <local> for names without a dot.
func (p Proxying) overrides(m *install.Machine, users string) []string {
	list := strings.FieldsFunc(users, func(r rune) bool { return r == ';' })
	for _, host := range append(p.direct(m), "<local>") {
		if strings.HasPrefix(host, ".") {
			host = "*" + host
		}
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			host = "[" + host + "]"
		}
		if !slices.Contains(list, host) {
			list = append(list, host)
		}
	}
	return list
}

// userVariables are the variables of all programs that the user starts from now on.
func userVariables(m *install.Machine, p Proxying) []install.Step {
	names := []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
	var steps []install.Step
	for _, name := range append(names, p.roots(func(string) string { return "" })...) {
		steps = append(steps, userVariable(m, p, name))
	}
	return steps
}

// userVariable sets one of them. .NET tells the desktop of the change.
func userVariable(m *install.Machine, p Proxying, name string) install.Step {
	set := func(value string) []string {
		return install.PowerShellCommand(fmt.Sprintf("[Environment]::SetEnvironmentVariable('%s', %s, 'User')", name, value))
	}
	check := install.PowerShellCommand(fmt.Sprintf("ConvertTo-Json -Compress -InputObject ([Environment]::GetEnvironmentVariable('%s', 'User'))", name))
	return install.Setting{
		On: m, Name: "set the user's variable " + name, Volatile: true, Check: check,
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := m.Command(ctx, check...)
			if err != nil {
				return "", false, err
			}
			var value *string
			if err := json.Unmarshal(out, &value); err != nil {
				return "", false, fmt.Errorf("the user's variable %s could not be read (%.100q): see it in the settings of Windows", name, out)
			}
			if value == nil {
				return "", false, nil
			}
			if namesProxy(name) {
				err = p.mayTake("the user's variable "+name, *value)
			}
			return *value, true, err
		},
		Want: func(old string, _ bool) string {
			switch {
			case name == "NO_PROXY":
				return strings.Join(p.direct(m, old), ",")
			case namesProxy(name):
				return p.url()
			}
			return cmp.Or(old, p.Bundle) // his own file, to which --trust has added ours
		},
		Set: func(ctx context.Context, value string) error {
			_, err := m.Command(ctx, set(install.QuotePowerShell(value))...)
			return err
		},
		UndoSet:   func(old string) []string { return set(install.QuotePowerShell(old)) },
		UndoUnset: func(string) []string { return set("$null") },
	}
}

// powershellProfiles make each new PowerShell, 5 and 7, ask `hither env`. Without a running Hither that says nothing, so
// the step is not volatile. A session alone is changed by `hither env | Out-String | Invoke-Expression` and cleared by
// the same with --unset.
func powershellProfiles(ctx context.Context, m *install.Machine, p Proxying) []install.Step {
	documents := m.Join(m.Home, "Documents")
	if out, err := m.Command(ctx, install.PowerShellCommand("[Environment]::GetFolderPath('MyDocuments')")...); err == nil && strings.TrimSpace(string(out)) != "" {
		documents = strings.TrimSpace(string(out)) // it may lie in OneDrive
	}
	out, err := m.Command(ctx, install.PowerShellCommand("foreach ($s in 'MachinePolicy', 'UserPolicy', 'CurrentUser', 'LocalMachine') "+
		"{ $p = Get-ExecutionPolicy -Scope $s; if ($p -ne 'Undefined') { [string]$p; break } }")...)
	policy := strings.TrimSpace(string(out))
	var steps []install.Step
	for _, dir := range []string{"WindowsPowerShell", "PowerShell"} {
		file := m.Join(documents, dir, "profile.ps1")
		name := "ask `hither env` in " + file
		said := policy
		if said == "" && dir == "WindowsPowerShell" {
			said = "Restricted" // its default; that of version 7 is RemoteSigned
		}
		if err == nil && (said == "Restricted" || said == "AllSigned") {
			steps = append(steps, install.Refusal(name, install.Refuse("PowerShell's execution policy is %s, so it would complain of every profile: allow your own with `Set-ExecutionPolicy -Scope CurrentUser RemoteSigned`, or leave the place shell out", said)))
			continue
		}
		steps = append(steps, install.Edit{
			On: m, Name: name, Path: file, Mode: 0o644,
			Change: func(old []byte, _ bool) ([]byte, error) { return putProfile(old, file, p.Exe) },
		})
	}
	return steps
}

// putProfile adds a block. A file in UTF-16, which older PowerShells write, cannot be added to byte by byte.
func putProfile(old []byte, file, exe string) ([]byte, error) {
	const begin, end = "# >>> hither >>> `hither uninstall` takes this block away", "# <<< hither <<<"
	if !utf8.Valid(old) || slices.Contains(old, 0) {
		return nil, install.Refuse("%s is not in UTF-8: save it so, or leave the place shell out", file)
	}
	block := []string{
		begin,
		"if (Get-Command -CommandType Application -Name " + install.QuotePowerShell(exe) + " -ErrorAction SilentlyContinue) {",
		"    $hitherEnv = & " + install.QuotePowerShell(exe) + " env --shell powershell 2>$null | Out-String",
		"    if ($LASTEXITCODE -eq 0) { Invoke-Expression $hitherEnv }",
		"    Remove-Variable hitherEnv",
		"}",
		end,
	}
	if strings.Contains(strings.ReplaceAll(string(old), "\r\n", "\n"), strings.Join(block, "\n")) {
		return old, nil
	}
	if strings.Contains(string(old), begin) {
		return nil, install.Refuse("%s has a block of Hither that was changed: take it away, and install again", file)
	}
	return lines.Append(old, block), nil
}
