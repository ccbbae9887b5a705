package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"hither/cmd/hither/network"
	"hither/cmd/hither/trust"
	"hither/rules"
)

// welcome serves our own pages: what this is, and the root that clients may trust.
func welcome(self network.Self, trust *trust.Authority, now func() *rules.Set) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ca.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(trust.PEM()) // the client went away; there is nobody to tell
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "Hither %s brings packages from the nearest place that has them, and proves that they are the right ones.\n\n"+
			"Go:      GOPROXY=http://%[2]s/go\nDocker:  http://%[2]s as a registry mirror\nOthers:  hither run -- COMMAND\n"+
			"State:   hither status\n", version(), self[0])
	})
	mux.Handle("GET /favicon.ico", http.NotFoundHandler())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { lost(w, r, self, now()) })
	return mux
}

// lost answers a registry's client whose address for us lacks the gateway. It is no 404, which clients take for the
// registry's word that there is no such package: the go command would then ask version control.
//
// npm pack and npm diff ask for a tarball behind our address and not behind the gateway's path (pacote, remote.js). They are
// sent there.
func lost(w http.ResponseWriter, r *http.Request, self network.Self, set *rules.Set) {
	var gateways []string
	for _, rule := range set.Rules() {
		if rule.Gateway != "" {
			if m, ok := rule.Match(rule.Hosts[0].Name, r.URL.EscapedPath()); ok && rule.Walk == "npm" && m.Path.Bulk {
				http.Redirect(w, r, rule.Gateway+r.URL.EscapedPath(), http.StatusTemporaryRedirect)
				return
			}
			gateways = append(gateways, "http://"+self[0].String()+rule.Gateway)
		}
	}
	slices.Sort(gateways)
	http.Error(w, fmt.Sprintf("Hither has nothing at %s. A registry is asked below its gateway: %s.", r.URL.EscapedPath(),
		strings.Join(slices.Compact(gateways), ", ")), http.StatusBadRequest)
}
