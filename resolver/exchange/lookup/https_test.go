package lookup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"hither/resolver/exchange/exchangetest"

	"github.com/miekg/dns"
)

func TestHTTPSRecordsAreRead(t *testing.T) {
	for _, c := range []struct {
		name    string
		records []string
		want    string
	}{
		{"a usual one", []string{`far.example. 300 IN HTTPS 1 . alpn="h3,h2"`}, "h3 h2 http/1.1 443"},
		{"one with a port and nothing by default", []string{`far.example. 300 IN HTTPS 1 . alpn="h3" no-default-alpn port=8443`}, "h3 8443"},
		{"the smallest priority wins", []string{`far.example. 300 IN HTTPS 2 . alpn="h2"`, `far.example. 300 IN HTTPS 1 . alpn="h3"`}, "h3 http/1.1 443"},
		{"behind an alias", []string{"far.example. 300 IN CNAME cdn.example.", `cdn.example. 300 IN HTTPS 1 . alpn="h3"`}, "h3 http/1.1 443"},
		{"another name is not followed", []string{`far.example. 300 IN HTTPS 1 evil.example. alpn="h3"`}, "none"},
		{"nor is an alias form", []string{`far.example. 300 IN HTTPS 0 cdn.example.`}, "none"},
		{"a record of somebody else", []string{`evil.example. 300 IN HTTPS 1 . alpn="h3"`}, "none"},
		{"one that demands what we do not know", []string{`far.example. 300 IN HTTPS 1 . mandatory=key65400 alpn="h3" key65400="x"`}, "none"},
		{"one that demands what we know", []string{`far.example. 300 IN HTTPS 1 . mandatory=alpn alpn="h3"`}, "h3 http/1.1 443"},
		{"none", nil, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Resolver{Exchange: exchangetest.Oracle(func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
				if q.Question[0].Qtype != dns.TypeHTTPS || q.Question[0].Name != "far.example." {
					t.Errorf("asked %s", q.Question[0].String())
				}
				return exchangetest.Reply(t, q, c.records...), nil
			})}
			alpn, port, err := r.LookupHTTPS(t.Context(), "Far.example")
			got := fmt.Sprint(strings.Join(alpn, " "), " ", port)
			if errors.Is(err, ErrNotFound) {
				got = "none"
			} else if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if _, _, err := (&Resolver{Exchange: exchangetest.Oracle(down)}).LookupHTTPS(t.Context(), "far.example"); !errors.Is(err, errDown) {
		t.Errorf("got  %v\nwant %v", err, errDown)
	}
}

func FuzzHTTPSRecords(f *testing.F) {
	for _, line := range []string{`far.example. 300 IN HTTPS 1 . alpn="h3,h2" port=8443`, `far.example. 300 IN HTTPS 0 cdn.example.`, `far.example. 300 IN HTTPS 1 . mandatory=alpn alpn="h3" ipv4hint=192.0.2.1`} {
		q := new(dns.Msg).SetQuestion("far.example.", dns.TypeHTTPS)
		f.Add(exchangetest.Wire(f, exchangetest.Reply(f, q, line)))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply := new(dns.Msg)
		if reply.Unpack(packet) != nil {
			return
		}
		if best := service(reply, "far.example."); best != nil {
			if _, _, known := parameters(best); !known || best.Priority == 0 {
				t.Fatalf("taken: %s", best)
			}
		}
	})
}
