package sysdns

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"hither/install"
	"hither/install/lines"
)

const resolvPath = "/etc/resolv.conf"

// The lines around ours in files that have comments.
const (
	resolvBegin = "# Hither begins: its resolver is asked first, the others as before. `hither restore` takes this out."
	resolvEnd   = "# Hither ends"
)

// resolvStep is the name of the step resolvConf.
const resolvStep = "ask Hither's resolver first in " + resolvPath

// resolvConf puts our resolver before the others in /etc/resolv.conf (resolv.conf(5)).
//
// A link to the file of systemd-resolved or NetworkManager gives way to a file: its target is written anew all the time,
// and belongs to others. Undo puts the link back. What was read through it stays behind ours, for the time when we are gone
// and the guard has not acted yet: a closed port costs a look-up some milliseconds.
func resolvConf(m *install.Machine, addrs []netip.Addr) install.Step {
	return install.Edit{
		On: m, Name: resolvStep, Path: resolvPath, Volatile: true, Replace: true,
		Change: func(old []byte, _ bool) ([]byte, error) { return serversFirst(old, addrs), nil },
		Clean:  cleanResolv,
	}
}

// cleanResolv is resolv.conf without our block. A text without one comes back as it is.
func cleanResolv(text []byte) []byte { return []byte(strings.Join(withoutBlock(text), "")) }

// Sweep takes our block out of resolv.conf where no journal tells of it: that was deleted, or its disk was lost. Call it
// only where there is no journal. Nothing to do: no outcome.
func Sweep(m *install.Machine) (report []install.Outcome, err error) {
	if m.System() == "windows" {
		return nil, nil
	}
	return install.Sweep(m, resolvStep, resolvPath, func(text []byte) []byte {
		if !bytes.Contains(text, []byte(resolvBegin)) {
			return text
		}
		return cleanResolv(text)
	})
}

// resolvOptions make a dead server cheap: each is tried for a second, and the list twice. No comment may follow on the
// line: Go's resolver takes its words for options that it does not know.
const resolvOptions = "options timeout:1 attempts:2"

// serversFirst returns resolv.conf with our server before the others, which it keeps. They are never asked in turns
// (rotate), or ours would be passed over. Only the first address is used: the C library reads three servers (MAXNS), and
// two addresses of ours would die together.
func serversFirst(old []byte, addrs []netip.Addr) []byte {
	var out bytes.Buffer
	for _, l := range []string{resolvBegin, "nameserver " + addrs[0].String(), resolvOptions, resolvEnd} {
		out.WriteString(l + "\n")
	}
	for _, l := range withoutBlock(old) {
		if isServer(l, addrs) {
			continue // ourselves, from a time before
		}
		if o, changed := quickOptions(l); changed {
			l = o
		}
		out.WriteString(l)
		if l != "" && !strings.HasSuffix(l, "\n") {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// withoutBlock returns the lines of others, also those that somebody wrote into our block.
func withoutBlock(text []byte) (others []string) {
	inside := false
	for _, l := range lines.Split(text) {
		switch k := strings.TrimSpace(l); {
		case k == resolvBegin:
			inside = true
		case k == resolvEnd:
			inside = false
		case inside && (k == resolvOptions || isOwnServer(l)):
		default:
			others = append(others, l)
		}
	}
	return others
}

// isOwnServer says that a server in our block was put there by us, at this or another address.
func isOwnServer(l string) bool {
	a, ok := serverIn(l)
	return ok && (a.IsLoopback() || netip.MustParsePrefix("198.18.0.0/15").Contains(a))
}

// quickOptions is an options line without what would contradict ours; ok is false if nothing in it does.
func quickOptions(l string) (rest string, ok bool) {
	words := strings.Fields(l)
	if len(words) == 0 || words[0] != "options" {
		return "", false
	}
	kept := slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		return w == "rotate" || strings.HasPrefix(w, "timeout:") || strings.HasPrefix(w, "attempts:")
	})
	if len(kept) == len(words) {
		return "", false
	}
	if len(kept) == 1 {
		return "", true
	}
	return strings.Join(kept, " "), true
}

func isServer(l string, addrs []netip.Addr) bool {
	a, ok := serverIn(l)
	return ok && slices.Contains(addrs, a)
}

func serverIn(l string) (netip.Addr, bool) {
	words := strings.Fields(l)
	if len(words) < 2 || words[0] != "nameserver" {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(words[1])
	return a, err == nil
}
