//go:build unix

package listener

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
)

func TestInheritedSockets(t *testing.T) {
	web, other := socket(t), socket(t)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	handed := []interface{ File() (*os.File, error) }{web, udp.(*net.UDPConn), itself{os.DevNull}, other}
	open := func(fd uintptr) *os.File {
		f, err := handed[fd-firstInherited].File()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	env := func(count, pid, names string) func(string) string {
		return func(key string) string {
			return map[string]string{"LISTEN_FDS": count, "LISTEN_PID": pid, "LISTEN_FDNAMES": names}[key]
		}
	}
	for _, test := range []struct {
		name, count, pid, names string
		want                    int
	}{
		{"sockets and what is none", "4", "7", "web:dns:null:other", 2},
		{"no names", "4", "7", "", 2},
		{"another program's", "4", "8", "web", 0},
		{"no number", "x", "7", "web", 0},
		{"negative", "-1", "7", "web", 0},
		{"nothing", "", "", "", 0},
	} {
		i := inherit(env(test.count, test.pid, test.names), 7, open)
		if len(i.sockets) != test.want {
			t.Errorf("%s\ngot  %d\nwant %d", test.name, len(i.sockets), test.want)
		}
		i.Close()
	}
	i := inherit(env("4", "7", "web:dns:null:other"), 7, open)
	defer i.Close()
	taken := i.Take(place(other.Addr()))
	if taken == nil || i.Take(place(other.Addr())) != nil || i.Take(netip.MustParseAddrPort("127.0.0.1:1")) != nil {
		t.Fatal("got  another socket, or one twice\nwant the one at that address, once")
	}
	taken.Close()
	named := i.Named("web")
	if len(named) != 1 || fmt.Sprint(named[0].Addr()) != fmt.Sprint(web.Addr()) || len(i.Named("web")) != 0 {
		t.Fatalf("got  %v\nwant the one of that name, once", named)
	}
	named[0].Close()
	if none := (*Inherited)(nil); none.Take(place(web.Addr())) != nil || none.Named("web") != nil || none.Close() != nil {
		t.Error("nil\ngot  something\nwant nothing")
	}
}

type itself struct{ name string }

func (f itself) File() (*os.File, error) { return os.Open(f.name) }
