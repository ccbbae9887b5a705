package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/miekg/dns"
)

// Issue 5, done when 1. The clients of these tests know nothing of Hither but its root: no proxy, no gateway, nothing in
// their configuration. DNS leads them.

// The clients trust Hither's root and not the world's, so that what they took did not come from an origin.
func TestProgramsThatKnowNothingOfHitherComeIn(t *testing.T) {
	s, here := newSpace(t)
	if !here {
		return
	}
	modules, packages, images := s.goAt(), s.npmAt(), s.ociAt()
	pushed := images.Asked(nil)
	h := s.up()
	clients := map[string]func(name string){
		"go":  func(name string) { h.download(modules, name) },
		"npm": func(name string) { h.install(packages, name) },
		"oci": func(name string) { h.copyImage(images, name) },
	}
	for _, client := range sortedKeys(clients) {
		clients[client]("cold-" + client)
	}
	s.onlyHitherAsked(modules.wire, packages.wire)
	if got := images.Asked(nil); got == pushed {
		t.Error("nobody asked the registry of images")
	}
	s.Dark()
	asked := modules.Asked(nil) + packages.Asked(nil) // with what was fetched ahead at the last moment
	for _, client := range sortedKeys(clients) {
		clients[client]("warm-" + client)
	}
	same(t, "requests that reached an origin that is off", fmt.Sprint(modules.Asked(nil)+packages.Asked(nil)), fmt.Sprint(asked))
	h.tellsOf(map[string]string{
		"go": "proxy.golang.org", "npm": npmHost, "docker": ociHost,
	})
	has(t, "why", h.Why("https://"+npmHost+npmTarball(packages.packages[firstPackage])), "npm", "https://"+npmHost)
}

// download downloads all modules with a go command that never ran before and has its own defaults. Its checksum database
// is the world's, which it knows by key.
func (h *hither) download(o *goOrigin, name string) {
	h.w.t.Helper()
	env := append(h.believer(name), "GOSUMDB="+o.sumKey)
	h.w.shell(h.w.goProject(o, name), env, "go", "mod", "download")
	same(h.w.t, "modules of "+name, fmt.Sprint(h.w.count(filepath.Join(h.w.dir, "home", name), ".zip")), fmt.Sprint(len(o.modules)))
}

// firstPackage needs all that come after it.
const firstPackage = 160

// install installs sixty packages with an npm that never ran before. The first makes the lock file.
func (h *hither) install(o *npmOrigin, name string) {
	h.w.t.Helper()
	dir, env := h.w.mkdir(name), h.believer(name)
	lock := filepath.Join(h.w.dir, "package-lock.json")
	h.w.write(filepath.Join(name, "package.json"), asJSON(map[string]any{
		"name": "project", "version": "1.0.0", "dependencies": map[string]string{npmName(firstPackage): "^1.0.0"},
	}))
	if _, err := os.Stat(lock); err != nil {
		h.w.shell(dir, env, "npm", "install", "--package-lock-only")
		h.w.must(os.Rename(filepath.Join(dir, "package-lock.json"), lock))
	}
	h.w.write(filepath.Join(name, "package-lock.json"), []byte(h.w.read(lock)))
	h.w.shell(dir, env, "npm", "ci")
	same(h.w.t, "packages of "+name, fmt.Sprint(h.w.count(filepath.Join(dir, "node_modules"), "index.js")), fmt.Sprint(len(o.packages)-firstPackage))
}

// copyImage copies the image and compares every layer. The token comes from a host that is in no rule, so this client
// trusts the world's roots too.
func (h *hither) copyImage(o *ociOrigin, name string) {
	h.w.t.Helper()
	dir := h.w.mkdir(name)
	h.w.shell(h.w.dir, h.believer(name, h.w.roots), "skopeo", "--insecure-policy", "copy", "--quiet", "docker://docker.io/library/alpine:latest", "oci:"+dir+":latest")
	for _, layer := range o.image.layers {
		same(h.w.t, "layer of "+name, sha256Of([]byte(h.w.read(dir, "blobs", strings.ReplaceAll(layer, ":", "/")))), layer)
	}
}

// onlyHitherAsked looks who came to the origins: clients of Hither's send their own names, Hither sends its own.
func (s *space) onlyHitherAsked(origins ...*wire) {
	s.t.Helper()
	for _, origin := range origins {
		ours := func(a asked) bool { return strings.HasPrefix(a.Header.Get("User-Agent"), "hither/") }
		others := origin.Asked(func(a asked) bool { return !ours(a) })
		if all := origin.Asked(nil); all == 0 || others > 0 {
			s.t.Errorf("requests at the origin %s that do not say they are Hither's\n got %d of %d\nwant none, and some", origin.addr, others, all)
		}
	}
}

// tellsOf looks whether the log has a line of each rule with what came from the origin and what from the cache, and
// whether the status knows of them and of where DNS and the doors are.
func (h *hither) tellsOf(hosts map[string]string) {
	h.w.t.Helper()
	log := h.w.read(h.log())
	for rule, host := range hosts {
		for _, state := range []string{"miss", "hit"} {
			line := regexp.MustCompile(`request.* host=` + regexp.QuoteMeta(host) + ` .*status=200 rule=` + rule + ` state=` + state + ` `)
			if !line.MatchString(log) {
				h.w.t.Errorf("the log has no %s", line)
			}
		}
	}
	var status struct {
		Ready struct {
			DNS         []string `json:"dns"`
			Transparent []string `json:"transparent"`
		} `json:"ready"`
		Requests map[string]int `json:"requests"`
		Served   int64          `json:"served"`
		Saved    int64          `json:"saved"`
		Failures int            `json:"failures"`
	}
	text := h.CLI("status", "--json")
	h.w.must(json.Unmarshal([]byte(text), &status))
	same(h.w.t, "DNS and doors", fmt.Sprint(status.Ready.DNS, status.Ready.Transparent), "[127.0.0.1:53] [127.0.7.90:443 127.0.7.90:80]")
	if status.Requests["hit"] == 0 || status.Requests["miss"] == 0 || status.Served <= status.Saved || status.Saved == 0 || status.Failures != 0 {
		h.w.t.Errorf("status\n got %s\nwant hits and misses, bytes served and saved, and no failure", text)
	}
	has(h.w.t, "dns", h.CLI("dns"), "with Hither's address")
}

// What the network's name server says of other names arrives as it was said, by UDP and by TCP. Of the registries' names
// only the addresses are ours.
func TestProgramsThatKnowNothingOfHitherGetOtherNamesUnchanged(t *testing.T) {
	s, here := newSpace(t)
	if !here {
		return
	}
	s.zone.add(
		"some.world.example. 300 IN A 198.51.100.200", "some.world.example. 300 IN A 198.51.100.201", "some.world.example. 300 IN AAAA 2001:db8::1",
		`some.world.example. 300 IN HTTPS 1 . alpn=h2,h3 ipv4hint=198.51.100.200`, `some.world.example. 300 IN TXT "one" "two"`,
		"some.world.example. 300 IN MX 10 mail.world.example.", `some.world.example. 300 IN TYPE65280 \# 4 0A000001`,
		"alias.world.example. 300 IN CNAME other.world.example.", "other.world.example. 300 IN CNAME some.world.example.",
		npmHost+". 300 IN A 198.51.100.99", npmHost+". 300 IN AAAA 2001:db8::99", npmHost+". 300 IN HTTPS 1 . ipv4hint=198.51.100.99",
		npmHost+`. 300 IN TXT "hello"`, npmHost+". 300 IN MX 10 mail.world.example.",
	)
	for i := range 100 {
		s.zone.add(fmt.Sprintf(`big.world.example. 300 IN TXT "%03d %s"`, i, strings.Repeat("x", 40)))
	}
	s.up()
	const ours, theirs = "127.0.0.1:53", zoneAddress + ":53"
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeTXT, dns.TypeMX, dns.TypeNS, 65280}
	for _, network := range []string{"udp", "tcp"} {
		for _, name := range []string{"some.world.example", "alias.world.example", "none.world.example", "big.world.example"} {
			for _, kind := range types {
				want := s.says(theirs, network, name, kind)
				if strings.Contains(want, "truncated true") {
					want = "NOERROR truncated true\n" // with how many records is each server's own affair
				}
				for _, turn := range []string{"first", "second"} { // from the network, from memory
					same(t, fmt.Sprint(name, " ", dns.Type(kind), " by ", network, ", the ", turn, " time"), s.says(ours, network, name, kind), want)
				}
			}
		}
		for _, kind := range []uint16{dns.TypeTXT, dns.TypeMX} {
			same(t, fmt.Sprint(npmHost, " ", dns.Type(kind), " by ", network), s.says(ours, network, npmHost, kind), s.says(theirs, network, npmHost, kind))
		}
		same(t, "A by "+network, addressIn(s.question(ours, network, npmHost, dns.TypeA)), doorAddress)
		for _, kind := range []uint16{dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSVCB} {
			reply := s.question(ours, network, npmHost, kind)
			same(t, fmt.Sprint(dns.Type(kind), " by ", network), fmt.Sprintln(dns.RcodeToString[reply.Rcode], reply.Answer, len(reply.Ns)), "NOERROR [] 1\n")
		}
	}
	same(t, "the C library's answer", firstWord(s.shell(s.dir, os.Environ(), "getent", "ahosts", npmHost)), doorAddress)
}

// Other hosts send what they always sent, with their own certificates: as DNS leads there, and also to who was led to our
// doors by something else than DNS.
func TestProgramsThatKnowNothingOfHitherReachOtherHosts(t *testing.T) {
	s, here := newSpace(t)
	if !here {
		return
	}
	const name = "plain.world.example"
	s.serveAt(name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chat" {
			echoMessages(w, r)
			return
		}
		_, _ = fmt.Fprintf(w, "%s %s %q %q\n", r.Proto, r.Host, r.Header["Via"], r.Header["X-Forwarded-For"])
	}))
	repo := s.gitRepository()
	core := strings.TrimSpace(s.shell(s.dir, s.clientEnv("git"), "git", "--exec-path"))
	s.serveAt("git.world.example", &cgi.Handler{
		Path: filepath.Join(core, "git-http-backend"), Root: "/",
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(repo), "GIT_HTTP_EXPORT_ALL=1"},
	})
	env := s.clientEnv("other", "CURL_CA_BUNDLE="+s.roots, "GIT_SSL_CAINFO="+s.roots)
	curl := func(url string, args ...string) string {
		return s.shell(s.dir, env, "curl", append([]string{"-sS", "-w", "%{certs}", url}, args...)...)
	}
	urls := []string{"https://" + name + "/", "http://" + name + "/"}
	before := map[string]string{}
	for _, url := range urls {
		before[url] = curl(url)
	}
	s.up()
	for _, url := range urls {
		same(t, url+" as DNS leads", curl(url), before[url])
		same(t, url+" by our door", curl(url, "--connect-to", "::"+doorAddress), before[url])
	}
	has(t, "what curl got", before[urls[0]], "HTTP/2.0 "+name, "BEGIN CERTIFICATE")
	s.shell(s.dir, env, "git", "clone", "--quiet", "https://git.world.example/repo", "clone")
	same(t, "the cloned file", s.read(s.dir, "clone", "file"), s.read(repo, "file"))
	s.chat("wss://"+name+"/chat", "")
	s.chat("wss://"+name+"/chat", doorAddress+":443")
	s.chat("ws://"+name+"/chat", doorAddress+":80")
}

// echoMessages is the server of a WebSocket.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// chat speaks over a WebSocket, at an address or, if that is empty, where DNS leads.
func (s *space) chat(url, at string) {
	s.t.Helper()
	names := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:53")
	}}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: s.trusting(s.roots),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if at != "" {
				addr = at
			}
			return (&net.Dialer{Resolver: names}).DialContext(ctx, network, addr)
		},
	}}
	conn, _, err := websocket.Dial(s.t.Context(), url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		s.t.Fatalf("%s at %q: %v", url, at, err)
	}
	defer func() { _ = conn.CloseNow() }()
	for _, text := range []string{"hello", strings.Repeat("long ", 1000)} {
		s.must(conn.Write(s.t.Context(), websocket.MessageText, []byte(text)))
		_, back, err := conn.Read(s.t.Context())
		s.must(err)
		same(s.t, url+" at "+at, string(back), text)
	}
	s.must(conn.Close(websocket.StatusNormalClosure, "bye"))
}

// With nothing said of upstreams they are the servers that the machine had, which stand behind ours in resolv.conf, and who
// asks there when Hither is gone finds everything as before. Our own connections are not led to ourselves.
func TestProgramsThatKnowNothingOfHitherNeedNoUpstreams(t *testing.T) {
	s, here := newSpace(t)
	if !here {
		return
	}
	packages := s.npmAt()
	other, _ := s.serveAt("plain.world.example", http.NotFoundHandler())
	lists := func(name string) string { return firstWord(s.shell(s.dir, os.Environ(), "getent", "ahosts", name)) }
	truth := map[string]string{}
	for _, name := range []string{npmHost, "plain.world.example"} {
		truth[name] = lists(name)
	}
	s.must(os.WriteFile(s.resolv, []byte("nameserver 127.0.0.1\nnameserver "+zoneAddress+"\n"), 0o600))
	h := s.hither("--dns", "127.0.0.1:53", "--dns", "[::1]:53", "--transparent", doorAddress, "--transparent", "::1")

	same(t, "another host", lists("plain.world.example")+":443", other.addr)
	same(t, "A of ours", s.leads("[::1]:53", npmHost), doorAddress)
	same(t, "AAAA of ours", s.says("127.0.0.1:53", "udp", npmHost, dns.TypeAAAA), "NOERROR truncated false\n"+npmHost+".\t1\tIN\tAAAA\t::1")
	url := "https://" + npmHost + "/" + npmName(firstPackage+1)
	for _, family := range []string{"-4", "-6"} {
		got := s.shell(s.dir, h.believer("curl"+family), "curl", family, "-sS", url)
		same(t, "a document by curl "+family, got, string(packages.document("/"+npmName(firstPackage+1), npmFull)))
	}
	h.Kill()
	for name, addr := range truth {
		same(t, name+" without Hither", lists(name), addr)
	}
}

func firstWord(text string) string { return strings.Fields(text + " nothing")[0] }

// A container is told the address that we have in its network, or else the truth, and never an address that would be its
// own there.
func TestProgramsThatKnowNothingOfHitherInAContainer(t *testing.T) {
	s, here := newSpace(t)
	if !here {
		return
	}
	modules := s.goAt()
	other, _ := s.serveAt("plain.world.example", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the host itself") }))
	truth := s.leads(zoneAddress+":53", "proxy.golang.org")
	c := s.container()
	h := s.up("--dns", bridgeAddress+":53", "--transparent", bridgeAddress)

	same(t, "what a container is told", c.dig("proxy.golang.org"), bridgeAddress)
	same(t, "what a container is told by TCP", c.dig("+tcp", "proxy.golang.org"), bridgeAddress)
	same(t, "AAAA for a container", c.dig("AAAA", "proxy.golang.org"), "")
	same(t, "another name for a container", c.dig("plain.world.example")+":443", other.addr)
	same(t, "what this machine is told", s.leads("127.0.0.1:53", "proxy.golang.org"), doorAddress)

	env := append(h.believer("contained"), "GOSUMDB="+modules.sumKey)
	c.run(s.goProject(modules, "contained"), env, "go", "mod", "download")
	same(t, "modules in the container", fmt.Sprint(s.count(filepath.Join(s.dir, "home", "contained"), ".zip")), fmt.Sprint(len(modules.modules)))
	s.onlyHitherAsked(modules.wire)
	same(t, "another host from a container", c.run(s.dir, s.clientEnv("curl", "CURL_CA_BUNDLE="+s.roots), "curl", "-sS", "https://plain.world.example/"), "the host itself")
	same(t, "another host from a container, by our door", c.run(s.dir, s.clientEnv("curl", "CURL_CA_BUNDLE="+s.roots),
		"curl", "-sS", "--connect-to", "::"+bridgeAddress, "https://plain.world.example/"), "the host itself")

	// This one has no door in the container's network.
	s.hither("--dns", bridgeAddress+":5353", "--dns-upstream", zoneAddress, "--transparent", "127.0.7.91")
	same(t, "what a container is told without a door there", c.dig("@"+bridgeAddress, "-p", "5353", "proxy.golang.org"), truth)
}

// A rule that is new, or gone, counts within seconds, and with it Hither's own root.
func TestProgramsThatKnowNothingOfHitherFollowTheRules(t *testing.T) {
	s, here := newSpace(t)
	if !here {
		return
	}
	const name = "fresh.world.example"
	origin, _ := s.serveAt(name, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = io.WriteString(w, "fresh")
	}))
	h := s.up()
	truth := strings.TrimSuffix(origin.addr, ":443")
	led := func(want string) func() bool { return func() bool { return s.leads("127.0.0.1:53", name) == want } }
	if !led(truth)() {
		t.Fatal("a name in no rule does not lead to its host")
	}
	file := s.write("rules.d/fresh.toml", []byte("name = \"fresh\"\n[[host]]\nname = \""+name+"\"\n[[path]]\nmatch = \"/thing/{name}\"\nkeep = \"1h\"\n"))
	s.await("the new rule's host is led to Hither", led(doorAddress))
	for _, path := range []string{"first", "second"} {
		same(t, "the "+path+" thing", s.shell(s.dir, h.believer(path), "curl", "-sS", "https://"+name+"/thing/same"), "fresh")
	}
	same(t, "requests at the origin", fmt.Sprint(origin.Asked(nil)), "1")
	s.must(os.Remove(file))
	s.await("the host without a rule leads to itself", led(truth))
	same(t, "the host itself", s.shell(s.dir, s.clientEnv("after", "CURL_CA_BUNDLE="+s.roots), "curl", "-sS", "https://"+name+"/thing/same"), "fresh")
	same(t, "requests at the origin in the end", fmt.Sprint(origin.Asked(nil)), "2")
}

// While our door hangs, names lead to their own hosts, and clients there; then they lead to us again. DNS goes on.
func TestProgramsThatKnowNothingOfHitherAreNotLedToADoorThatHangs(t *testing.T) {
	s, here := newSpace(t)
	if !here {
		return
	}
	origin := s.npmAt()
	truth := strings.TrimSuffix(origin.addr, ":443")
	h := s.up()
	led := func(want string) func() bool { return func() bool { return s.leads("127.0.0.1:53", npmHost) == want } }
	s.await("the name leads to Hither", led(doorAddress))
	s.command("nft", "add", "table", "inet", "world")
	s.command("nft", "add chain inet world in { type filter hook input priority 0 ; }")
	s.command("nft", "add", "rule", "inet", "world", "in", "ip", "daddr", doorAddress, "tcp", "dport", "443", "drop")
	s.await("the name leads to its own host", led(truth))
	same(t, "the host's own certificate", s.signer(npmHost), "Public authority of the false world")
	s.command("nft", "delete", "table", "inet", "world")
	s.await("the name leads to Hither again", led(doorAddress))
	if got := s.signer(npmHost); !strings.Contains(got, "Hither") {
		t.Errorf("who signed the certificate now\n got %s\nwant Hither", got)
	}
	if h.over() {
		t.Error("Hither ended, although its DNS answered all the time")
	}
}
