package bearer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"hither/cache/wholefile"
	"hither/forward/terse"
)

const (
	realmsVersion = 1
	// maxRealmFile bounds what is read, in bytes; a full file has less.
	maxRealmFile = 1 << 20
	// maxRealmAge is how long a registry need not say again who gives its tokens. What is out of date costs a request the
	// time that its realm takes to say no, foretellPatience at most.
	maxRealmAge = 30 * 24 * time.Hour
	// maxKeptName bounds a registry with its realm and its name there, in bytes.
	maxKeptName = 300
)

var errTooMuch = errors.New("it holds more than was ever written")

// keptRealms is the file. It holds no token, but tells which registries were asked.
type keptRealms struct {
	Version int         `json:"version"`
	Realms  []keptRealm `json:"realms"`
}

// keptRealm is what a registry has said.
type keptRealm struct {
	Origin  string    `json:"origin"` // SCHEME://HOST
	Realm   string    `json:"realm"`
	Service string    `json:"service,omitempty"`
	Wanted  bool      `json:"wanted,omitempty"`
	Odd     bool      `json:"odd,omitempty"`
	Since   time.Time `json:"since"`
}

// Load takes up what Save left in a file; it is called before first use. The error is fs.ErrNotExist if there is none. What
// cannot be right in it is passed over: the registry will say it again.
func (b *Tokens) Load(file string) error {
	text, err := wholefile.Read(file, maxRealmFile)
	if err != nil {
		return err
	}
	kept, err := parseRealms(text)
	if err != nil {
		return fmt.Errorf("%s: %w; it will be written anew", file, err)
	}
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range kept.Realms {
		if age := now.Sub(k.Since); age >= 0 && age <= maxRealmAge && k.plausible() {
			b.keepLocked(k.Origin, learnt{Realm{k.Realm, k.Service}, k.Wanted, k.Odd, k.Since})
		}
	}
	return nil
}

// Save replaces the file, readable by nobody else, at once.
func (b *Tokens) Save(file string) error {
	kept := keptRealms{Version: realmsVersion, Realms: []keptRealm{}}
	b.mu.Lock()
	for origin, k := range b.realms {
		kept.Realms = append(kept.Realms, keptRealm{origin, k.URL, k.Service, k.wanted, k.odd, k.since.UTC()})
	}
	b.mu.Unlock()
	slices.SortFunc(kept.Realms, func(a, b keptRealm) int { return cmp.Compare(a.Origin, b.Origin) })
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return wholefile.Write(file, text, 0o600)
}

func parseRealms(text []byte) (*keptRealms, error) {
	kept := new(keptRealms)
	if err := json.Unmarshal(text, kept); err != nil {
		return nil, fmt.Errorf("it is damaged at byte %d", terse.Offset(err))
	}
	if kept.Version != realmsVersion {
		return nil, fmt.Errorf("it is of version %d, this program reads version %d", kept.Version, realmsVersion)
	}
	if len(kept.Realms) > maxRealms {
		return nil, errTooMuch
	}
	return kept, nil
}

// plausible says that learn could have written it.
func (k keptRealm) plausible() bool {
	origin, err := url.Parse(k.Origin)
	if err != nil || origin.Scheme != "https" || origin.Host == "" || originName(origin) != k.Origin {
		return false
	}
	realm, err := url.Parse(k.Realm)
	return err == nil && realm.Scheme == "https" && realm.Host != "" && realm.User == nil &&
		!strings.ContainsAny(k.Service, "\r\n") && len(k.Origin)+len(k.Realm)+len(k.Service) <= maxKeptName
}
