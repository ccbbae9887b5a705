package link

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// said is links in words.
func said(links []Link) string {
	var out []string
	for _, l := range links {
		out = append(out, fmt.Sprintf("%s %v %v %v", l.Name, l.Servers, l.Domains, l.Default))
	}
	return strings.Join(out, "\n")
}

func recorded(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRecordedSettings(t *testing.T) {
	mac, err := parseScutil(strings.NewReader(recorded(t, "scutil-vpn.txt")))
	if err != nil {
		t.Fatal(err)
	}
	file, err := ParseResolvConf(strings.NewReader(recorded(t, "resolv-networkmanager.conf")))
	if err != nil {
		t.Fatal(err)
	}
	rule, ok := parseNRPT("{1}", []string{".corp.example", "intranet.example"}, "10.8.0.1; 10.8.0.2;x", nrptServers)
	if !ok {
		t.Error("the rule is not taken for one")
	}
	if _, ok := parseNRPT("{2}", []string{".da.example"}, "", 0x4); ok {
		t.Error("a rule of DirectAccess is taken for one about servers")
	}
	us := func(a netip.AddrPort) bool { return a.String() == "127.0.0.1:5300" }
	got := said(Tidy(append(mac, file, rule), us))
	want := `en0 [192.168.1.1:53 [fe80::1%en0]:53] [lan corp.example] true
utun4 [10.8.0.1:5353 10.8.0.2:5353] [corp.example] false
resolv.conf [192.168.1.1:53 [fe80::1%eth0]:53] [office.example lan] true
{1} [10.8.0.1:53 10.8.0.2:53] [corp.example intranet.example] false`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNobodyGetsAWholeTopLevelDomain(t *testing.T) {
	got := said(Tidy([]Link{{Name: "cafe", Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")},
		Domains: []string{"com", "CO.UK.", "~org", "cafe.Example", "~.", "lan", strings.Repeat("x", 70) + ".example"}}}, nil))
	if want := "cafe [192.0.2.1:53] [cafe.example lan] true"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzLinks(f *testing.F) {
	f.Add(recorded(f, "scutil-vpn.txt"), uint64(nrptServers))
	f.Add(recorded(f, "resolv-networkmanager.conf"), uint64(0))
	f.Add("resolver #1\n nameserver[0] : ::1\n port : 70000\n domain : .\n", uint64(8))
	f.Fuzz(func(t *testing.T, text string, options uint64) {
		mac, _ := parseScutil(strings.NewReader(text))
		file, _ := ParseResolvConf(strings.NewReader(text))
		rule, _ := parseNRPT("id", strings.Fields(text), text, options)
		for _, l := range Tidy(append(mac, file, rule), nil) {
			if len(l.Servers) == 0 || len(l.Servers) > maxServers || len(l.Domains) > maxDomains {
				t.Errorf("kept %+v", l)
			}
			for _, d := range l.Domains {
				if d == "" || d == "." || public(d) || d != strings.ToLower(d) {
					t.Errorf("kept the domain %q", d)
				}
			}
		}
	})
}
