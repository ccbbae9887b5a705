package bearer

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a registry said of its realm is known at the next start, for a while, and then asked for beforehand.
func TestRealmsAreKeptForTheNextStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "realms.json")
		first := newFarRegistry()
		_, cold := first.takes(t)
		if err := first.Save(file); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("the file: %v %v, want one that nobody else reads", info, err)
		}
		for _, row := range []struct {
			says  string
			later time.Duration
			kept  bool
		}{{"a day later", 24 * time.Hour, true}, {"long after", maxRealmAge, false}} {
			time.Sleep(row.later)
			next := newFarRegistry()
			if err := next.Load(file); err != nil {
				t.Fatal(err)
			}
			_, asked := next.takes(t)
			if got := asked != cold; got != row.kept {
				t.Errorf("%s: the token was asked for beforehand\n got %v (%s)\nwant %v (cold: %s)", row.says, got, asked, row.kept, cold)
			}
		}
	})
}

// The file is ours, but what stands in it came from registries, or from a disk that lies.
func TestWhatCannotBeARealmIsPassedOver(t *testing.T) {
	now := time.Now().UTC().Format(time.RFC3339)
	long := strings.Repeat("x", maxKeptName)
	for line, want := range map[string]int{
		`{"origin":"https://reg.example","realm":"https://auth.example/token","service":"reg","since":"` + now + `"}`:    1,
		`{"origin":"https://reg.example","realm":"https://auth.example/token","since":"2001-01-01T00:00:00Z"}`:           0,
		`{"origin":"https://reg.example","realm":"https://auth.example/token","since":"2999-01-01T00:00:00Z"}`:           0,
		`{"origin":"http://reg.example","realm":"https://auth.example/token","since":"` + now + `"}`:                     0,
		`{"origin":"https://reg.example/x","realm":"https://auth.example/token","since":"` + now + `"}`:                  0,
		`{"origin":"https://REG.example","realm":"https://auth.example/token","since":"` + now + `"}`:                    0,
		`{"origin":"https://reg.example","realm":"http://auth.example/token","since":"` + now + `"}`:                     0,
		`{"origin":"https://reg.example","realm":"https://me:pw@auth.example/token","since":"` + now + `"}`:              0,
		`{"origin":"https://reg.example","realm":"file:///etc/passwd","since":"` + now + `"}`:                            0,
		`{"origin":"https://reg.example","realm":"https://auth.example/` + long + `","since":"` + now + `"}`:             0,
		`{"origin":"https://reg.example","realm":"https://auth.example/token","service":"a\r\nb","since":"` + now + `"}`: 0,
	} {
		file := filepath.Join(t.TempDir(), "realms.json")
		if err := os.WriteFile(file, fmt.Appendf(nil, `{"version":1,"realms":[%s]}`, line), 0o600); err != nil {
			t.Fatal(err)
		}
		var b Tokens
		if err := b.Load(file); err != nil || len(b.realms) != want {
			t.Errorf("%s\n got %d of it (%v)\nwant %d", line, len(b.realms), err, want)
		}
	}
}

func FuzzRealmFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"realms":[{"origin":"https://reg.example","realm":"https://auth.example/token","since":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"realms":[` + strings.Repeat("{},", maxRealms) + `{}]}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		kept, err := parseRealms(text)
		if (kept == nil) == (err == nil) {
			t.Fatalf("%v and the error %v, want one of them", kept, err)
		}
		if err != nil {
			return
		}
		for _, k := range kept.Realms {
			if k.plausible() && !strings.HasPrefix(k.Realm, "https:") && !strings.HasPrefix(strings.ToLower(k.Realm), "https:") {
				t.Errorf("%q is taken for a realm", k.Realm)
			}
		}
	})
}
