package main

import (
	"fmt"
	"net/http"
)

// welcome serves our own pages: what this is, and the root that clients may trust.
func welcome(self self, trust *trust) http.Handler {
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
	return mux
}
