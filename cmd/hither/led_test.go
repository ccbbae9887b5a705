package main

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/cmd/hither/control"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/private"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/upkeep"
)

// ask asks a name server over UDP for addresses of IPv4.
func ask(t *testing.T, server, name string) string {
	t.Helper()
	reply, _, err := (&dns.Client{Timeout: 5 * time.Second}).Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA), server)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			out = append(out, a.A.String())
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// upstreamDNS answers 192.0.2.1 for every name, those that begin with slow after a moment.
func upstreamDNS(t *testing.T) string {
	t.Helper()
	return hithertest.NameServer(t, 2*control.TraceEach)
}

// TestAProgramThatKnowsNothingOfHitherComesIn resolves and connects as any program does.
func TestAProgramThatKnowsNothingOfHitherComesIn(t *testing.T) {
	const own = "127.0.7.91"
	if l, err := net.Listen("tcp", own+":443"); err != nil {
		t.Skipf("the port of TLS cannot be had here: %v", err)
	} else {
		l.Close()
	}
	up := upstreamDNS(t)
	s := serving(t, has("package"), func(s *settings.Settings) {
		s.DNS, s.Transparent, s.DNSUpstream = []string{"127.0.0.1:0", "[::1]:0"}, []string{own}, []string{up}
	})
	same(t, "servers", len(s.ready.DNS), 2)
	for _, server := range s.ready.DNS {
		same(t, "a registry, asked of "+server, ask(t, server, "reg.test"), own)
		same(t, "another host", ask(t, server, "other.example"), "192.0.2.1")
	}
	s.allow("new", "new.example")
	s.said.Await("the changed rule files are in force")
	same(t, "a host of a new rule", ask(t, s.ready.DNS[0], "new.example"), own)
	conn, err := tls.Dial("tcp", own+":443", &tls.Config{ServerName: "new.example", InsecureSkipVerify: true})
	must(t, err)
	defer conn.Close()
	same(t, "whose certificate", conn.ConnectionState().PeerCertificates[0].VerifyHostname("new.example"), nil)
}

// A machine that cannot be changed is no reason not to be a proxy.
func TestWithoutAGuardHitherChangesNothingAndServes(t *testing.T) {
	t.Setenv("BE_HITHER", "1")
	home := t.TempDir()
	s := serving(t, has("package"), func(s *settings.Settings) {
		must(t, private.MakeDir(s.State))
		must(t, os.Mkdir(filepath.Join(s.State, leaseName), 0o700)) // no file can stand there
		write(t, filepath.Join(s.State, upkeep.Name), []byte(hithertest.JSON(t, upkeep.Upkeep{Tools: []string{"npm"}, Home: home, UID: -1, GID: -1})))
	})
	s.said.Await("no guard would undo it")
	body, err := s.get("https://reg.test/x")
	same(t, "error", err, nil)
	same(t, "body", body, "package")
	status, err := control.NewClient(s.ready.State).Status(t.Context())
	must(t, err)
	contains(t, status.Trouble, "guard: nothing of this machine is changed")
	s.stop()
	same(t, "end", <-s.ended, nil)
	s.ended <- nil
}

func TestWhatIsKeptInForceEndsWithHither(t *testing.T) {
	t.Setenv("BE_HITHER", "1")
	home := t.TempDir()
	npmrc := filepath.Join(home, ".npmrc")
	write(t, npmrc, []byte("fund=false\n"))
	s := serving(t, has("package"), func(s *settings.Settings) {
		must(t, private.MakeDir(s.State))
		write(t, filepath.Join(s.State, upkeep.Name), []byte(hithertest.JSON(t, upkeep.Upkeep{Tools: []string{"npm"}, Home: home, UID: -1, GID: -1})))
	})
	deadline := time.Now().Add(20 * time.Second)
	for text := ""; !strings.Contains(text, "http://"+s.ready.Proxy[0]); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the proxy's real address\n got %s\nwant %s\n%s", text, s.ready.Proxy[0], s.said)
		}
		read, err := os.ReadFile(npmrc)
		must(t, err)
		text = string(read)
	}
	s.stop()
	same(t, "end", <-s.ended, nil)
	s.ended <- nil
	text, err := os.ReadFile(npmrc)
	must(t, err)
	same(t, "afterwards", string(text), "fund=false\n")
}
