//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

const (
	mostWaste = 0.05 // bytes of what nobody asked for, to those that were asked for
	mostExtra = 1.0  // requests for nothing, to those that were needed
)

// wasteRow is Done-when 9: what the registries were asked for that the client alone does not ask for. What proves bytes is
// no waste.
func wasteRow(ctx context.Context, w *world, r *report) error {
	ci, err := w.npmCI(ctx, "package")
	if err != nil {
		return err
	}
	install, err := w.npmInstall("package", cores)
	if err != nil {
		return err
	}
	if _, err := w.shelf.addImage("bench", 5, 40<<20); err != nil {
		return err
	}
	others, err := w.managerCells(ctx, r)
	if err != nil {
		return err
	}
	for _, c := range append([]cell{
		{name: "download", what: "go mod download", client: goClient("glow", "mod", "download"), bounds: []bound{{level1, 0}, {level2, 0}}},
		{name: "list", what: "go list -m all", client: goClient("glow", "list", "-m", "all"), bounds: []bound{{level1, 0}, {level2, 0}}},
		{name: "caddy", what: "go list -m all of caddy", client: goClient("caddy", "list", "-m", "all"), bounds: []bound{{level1, 0}, {level2, 0}}},
		{name: "prometheus", what: "go list -m all of prometheus", client: goClient("prometheus", "list", "-m", "all"), bounds: []bound{{level1, 0}, {level2, 0}}},
		{name: "updates", what: "go list -m -u all", client: goClient("glow", "list", "-m", "-u", "all"), bounds: []bound{{level1, 0}, {level2, 0}}},
		{name: "upgrade", what: "go get -u ./...", client: goClient("small", "get", "-u", "./..."), bounds: []bound{{level1, 0}, {level2, 0}}},
		{name: "deps", what: "go list -deps ./...", client: goClient("small", "list", "-deps", "./..."), bounds: []bound{{level1, 0}, {level2, 0}}},
		{name: "ci", what: "npm ci", client: ci, bounds: []bound{{level1, 0}, {level2, 0}}},
		{name: "install", what: "npm install", client: install, bounds: []bound{{level1, 0}, {level2, 0}}},
		{name: "image", what: "skopeo", client: pull("bench"), bounds: []bound{{level1, 0}}},
	}, others...) {
		if !w.wants(r.row.name, c.name) || w.brief() && c.name != "download" {
			continue
		}
		if err := w.countWaste(ctx, r, c); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) countWaste(ctx context.Context, r *report, c cell) error {
	if err := w.teach(ctx, c); err != nil {
		return err
	}
	if err := w.shape(ctx, line{rtt: 50, rate: 100}); err != nil {
		return err
	}
	needed, err := w.undisturbed(ctx, r, c.client, direct)
	if err != nil {
		return err
	}
	for _, b := range c.bounds {
		o, told, err := w.counted(ctx, c.client, b.way)
		if err != nil {
			return err
		}
		requests, bytes := unasked(o.names, needed.names)
		r.atMost(result{
			Cell: c.name + "-bytes", What: fmt.Sprintf("%s, %s, bytes that nobody asked for / needed", c.what, b.way), Got: float64(bytes) / float64(max(1, needed.Bytes)),
			How: fmt.Sprintf("%d of %d", bytes, needed.Bytes), Late: o.Late,
		}, mostWaste)
		r.atMost(result{
			Cell: c.name + "-requests", What: fmt.Sprintf("%s, %s, names that nobody asked for / needed", c.what, b.way), Got: float64(requests) / float64(max(1, len(needed.names))),
			How: fmt.Sprintf("%d of %d", requests, len(needed.names)), Late: o.Late,
		}, mostExtra)
		r.ahead(told)
	}
	return nil
}

// ahead notes what Hither itself counts, a line for each of its reasons.
func (r *report) ahead(told json.RawMessage) {
	var reasons []struct {
		Why                 string
		Ahead, Used, Wasted int
		WastedBytes         int64
	}
	if json.Unmarshal(told, &reasons) != nil {
		return // it tells nothing, or in other words
	}
	for _, l := range reasons {
		r.note("hither status: %d asked ahead, %d used, %d wasted of %d bytes: %s", l.Ahead, l.Used, l.Wasted, l.WastedBytes, l.Why)
	}
}

// counted is once, with what Hither says of it afterwards; nil: it says nothing.
func (w *world) counted(ctx context.Context, c client, how way) (o outcome, told json.RawMessage, err error) {
	p, err := w.start(ctx)
	if err != nil {
		return o, nil, err
	}
	defer p.forget()
	if o, err = w.do(ctx, c, how, p); err != nil {
		return o, nil, err
	}
	s, err := p.status(ctx)
	return o, s.Prefetch, err
}

// proves says that a name is of what says which bytes others have: a record of the checksum database, or the document of one
// version of a package, /NAME/VERSION.
func proves(name string) bool {
	host, path, _ := strings.Cut(name, "/")
	if strings.HasPrefix(path, "@") {
		_, path, _ = strings.Cut(path, "/")
	}
	_, version, _ := strings.Cut(path, "/")
	return host == sumHost || (host == npmHost || host == yarnHost) && version != "" && version[0] >= '0' && version[0] <= '9'
}

// unasked counts the names, and their bytes, that are in one run and not in the other.
func unasked(got, needed map[string]int64) (names int, bytes int64) {
	for name, n := range got {
		if _, ok := needed[name]; ok || proves(name) {
			continue
		}
		names, bytes = names+1, bytes+n
	}
	return names, bytes
}
