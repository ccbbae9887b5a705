package forward

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hither/rules"
)

// serveSelf answers on our own address: gateway paths, else our own pages. It never forwards to our own address.
func (s *Server) serveSelf(w *reply, r *http.Request) {
	if isUnspecified(r.Host) {
		s.fail(w, r, http.StatusMisdirectedRequest, "This address is none to ask by. Ask by http://127.0.0.1 and the port.")
		return
	}
	stranger := s.browsers.Check(r) != nil || foreign(r)
	if stranger && !visits(r) {
		s.fail(w, r, http.StatusForbidden, "A page of another site may not use Hither. Type the address if you mean it.")
		return
	}
	todo, ok, err := s.gateway(r)
	switch {
	case err != nil:
		s.failWith(w, r, err)
	case ok && stranger:
		s.fail(w, r, http.StatusForbidden, "A page of another site may not lead to a gateway. Type the address if you mean it.")
	case ok:
		w.gateway = true
		r.Header.Del("Cookie")
		s.decide(w, r, todo)
	case s.Console != nil:
		s.Console.ServeHTTP(w, r)
	default:
		s.fail(w, r, http.StatusNotFound, "Hither has nothing at this path. Its gateways are named in the rule files.")
	}
}

// gateway says what a request by our own address stands for; false: no gateway. What no path of the rule speaks of goes
// to the rule's first host, because below the gateway there is nothing of ours.
func (s *Server) gateway(r *http.Request) (errand, bool, error) {
	set := s.Rules()
	if m, ok := set.MatchGateway(query(r)); ok {
		up, err := url.Parse(m.Origins()[0].URL)
		if err != nil {
			return errand{}, false, err
		}
		up.RawQuery = withoutNS(r.URL.RawQuery)
		return errand{set: set, rule: m.Rule, match: m, matched: true, up: up}, true, nil
	}
	behind := gatewayRules(set, r.URL.Path)
	if len(behind) == 0 {
		return errand{}, false, nil
	}
	rule, err := choose(behind, r.URL.Query().Get("ns"))
	if err != nil {
		return errand{}, false, err
	}
	base, err := baseOf(rule.Hosts[0])
	if err != nil {
		return errand{}, false, err
	}
	if strings.Contains(r.URL.Path+"/", "/../") {
		return errand{}, false, refusalOf(http.StatusBadRequest, "A path that climbs (..) is not passed on. Send the path that is meant.")
	}
	up := below(base, behindGateway(rule, r.URL))
	up.RawQuery = withoutNS(r.URL.RawQuery)
	return errand{rule: rule, up: up}, true, nil
}

// gatewayRules are the rules with the longest gateway that the path is below.
func gatewayRules(set *rules.Set, path string) []*rules.Rule {
	var best []*rules.Rule
	for _, rule := range set.Rules() {
		if rule.Gateway == "" || path != rule.Gateway && !strings.HasPrefix(path, rule.Gateway+"/") {
			continue
		}
		if len(best) > 0 && len(rule.Gateway) > len(best[0].Gateway) {
			best = nil
		}
		if len(best) == 0 || len(rule.Gateway) == len(best[0].Gateway) {
			best = append(best, rule)
		}
	}
	return best
}

// choose finds the registry that the client means by ?ns= (containerd). One that no rule knows must not be asked
// elsewhere: another registry has other bytes under the same name.
func choose(behind []*rules.Rule, ns string) (*rules.Rule, error) {
	wanted := cmp.Or(ns, "docker.io")
	for _, rule := range behind {
		means := func(name string) bool { return samePlace(name, wanted) }
		named := func(h rules.Host) bool { return means(h.Name) }
		if slices.ContainsFunc(rule.NS, means) || slices.ContainsFunc(rule.Hosts, named) {
			return rule, nil
		}
	}
	if ns == "" {
		return behind[0], nil
	}
	return nil, refusalOf(http.StatusMisdirectedRequest, "No rule speaks of the registry "+strconv.Quote(ns)+
		". Ask it directly, or add a rule file for it.")
}

// behindGateway drops the gateway from a path, unless the registry's own paths begin with it ("/v2").
func behindGateway(rule *rules.Rule, u *url.URL) *url.URL {
	own := len(rule.Paths) > 0
	for _, p := range rule.Paths {
		own = own && (p.Pattern == rule.Gateway || strings.HasPrefix(p.Pattern, rule.Gateway+"/"))
	}
	if own {
		return u
	}
	rest := *u
	rest.Path = strings.TrimPrefix(u.Path, rule.Gateway)
	rest.RawPath = strings.TrimPrefix(u.EscapedPath(), rule.Gateway)
	if rest.Path == "" {
		rest.Path = "/"
	}
	return &rest
}

// homeward has what a registry says of its own places lead by the gateway, as the client came: some follow no link to another host
// (oras, crane), and those that do would go past us.
func (w *reply) homeward(res *http.Response, r *http.Request, e errand) {
	gate, ok := strings.CutSuffix(r.URL.EscapedPath(), e.up.EscapedPath())
	if !w.gateway || !ok {
		return
	}
	ns := r.URL.Query().Get("ns")
	for i, place := range res.Header["Location"] {
		res.Header["Location"][i] = e.byGateway(place, gate, ns)
	}
	for i, line := range res.Header["Link"] {
		links := strings.Split(line, "<")
		for j, link := range links[1:] {
			if place, rest, ok := strings.Cut(link, ">"); ok {
				links[j+1] = e.byGateway(place, gate, ns) + ">" + rest
			}
		}
		res.Header["Link"][i] = strings.Join(links, "<")
	}
}

// byGateway is a place of the registry by its gateway, at which ns names the registry again: without it, another might be meant.
// Where the gateway does not lead, the registry itself is named. A place elsewhere is as it is.
func (e errand) byGateway(place, gate, ns string) string {
	at, err := e.up.Parse(place)
	switch {
	case err != nil || place == "" || at.Scheme != e.up.Scheme || at.Host != e.up.Host || at.User != nil:
		return place
	case !strings.HasPrefix(gate+at.Path, e.rule.Gateway+"/"):
		return at.String()
	}
	if ns != "" {
		at.RawQuery = strings.TrimPrefix(withoutNS(at.RawQuery)+"&ns="+url.QueryEscape(ns), "&")
	}
	return gate + strings.TrimPrefix(at.String(), e.up.Scheme+"://"+e.up.Host)
}

// withoutNS drops the parameter that containerd adds for gateways, and leaves the rest of the query as it came.
func withoutNS(query string) string {
	kept := make([]string, 0, 4)
	for part := range strings.SplitSeq(query, "&") {
		if part != "" && part != "ns" && !strings.HasPrefix(part, "ns=") {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

// local is an answer of our own: to questions that only ask whether a registry is there.
func (s *Server) local(w *reply, r *http.Request, m rules.Match) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if m.Path.Type != "" {
		h.Set("Content-Type", m.Path.Type)
	}
	if isOCI(r) {
		h.Set("Docker-Distribution-Api-Version", "registry/2.0")
	}
	h.Set("Cache-Status", "Hither; detail=local")
	h.Set("Hither-Rule", m.Rule.Name)
	h.Set("Content-Length", "2")
	w.state = "local"
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte("{}")) // a client that has left needs no answer
	}
}
