//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// noise is what two runs of the same client on one machine differ by: "no slower" means no slower than that.
const noise = 1.05

// warmRow is Done-when 5. The clients' own caches are empty each time; Hither has what it was asked for once.
func warmRow(ctx context.Context, w *world, r *report) error {
	download, list := goClient("glow", "mod", "download"), goClient("glow", "list", "-m", "all")
	ci, err := w.npmCI(ctx, "package")
	if err != nil {
		return err
	}
	clients := []client{download, list, ci}
	if w.brief() {
		clients = clients[:2]
	}
	p, err := w.warmed(ctx, clients...)
	if err != nil {
		return err
	}
	defer p.forget()
	for _, c := range []cell{
		{"list", "go list -m all, warm", usual(), list, []bound{{warm, 0.02}}},
		{"download0", "go mod download, warm", line{}, download, []bound{{warm, 1}}},
		{"ci0", "npm ci, warm", line{}, ci, []bound{{warm, 1}}},
	} {
		if !w.wants(r.row.name, c.name) || w.brief() && c.name == "ci0" {
			continue
		}
		if err := w.shape(ctx, c.line); err != nil {
			return err
		}
		if err := w.turns(ctx, r, c, p, rival{client: c.client}); err != nil {
			return err
		}
	}
	if err := w.besideTree(ctx, r, p, download); err != nil {
		return err
	}
	return w.besideVerdaccio(ctx, r, p, ci)
}

// warmed is a Hither through which the clients went once, over a perfect line.
func (w *world) warmed(ctx context.Context, clients ...client) (*product, error) {
	if err := w.shape(ctx, line{}); err != nil {
		return nil, err
	}
	p, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range clients {
		if _, err := w.do(ctx, c, level1, p); err != nil {
			p.forget()
			return nil, err
		}
	}
	return p, nil
}

// rival is another way of a client, and who serves it.
type rival struct {
	client client
	server *peer // nil: a server that is far away
}

// turns compares a warm Hither with another way of a client, in turn.
func (w *world) turns(ctx context.Context, r *report, c cell, p *product, other rival) error {
	runs := map[way][]outcome{}
	theirs := 0
	if other.server != nil {
		theirs = other.server.command.Process.Pid
	}
	for range w.most() {
		o, err := w.costing(ctx, other.client, direct, nil, theirs)
		if err != nil {
			return err
		}
		runs[direct] = append(runs[direct], o)
		if o, err = w.costing(ctx, c.client, warm, p, p.PID); err != nil {
			return err
		}
		runs[warm] = append(runs[warm], o)
	}
	r.compared(c, runs)
	r.note("processor seconds of the server a run: %s of %s", spent(runs[warm]), spent(runs[direct]))
	return nil
}

// spent are the processor seconds of all runs.
func spent(runs []outcome) string {
	var words []string
	for _, o := range runs {
		words = append(words, fmt.Sprintf("%.2f", o.Served))
	}
	return strings.Join(words, " ")
}

// costing is do, with what it cost a server's process; pid 0: nobody's.
func (w *world) costing(ctx context.Context, c client, how way, p *product, pid int) (o outcome, err error) {
	if pid == 0 {
		return w.do(ctx, c, how, p)
	}
	before, err := cpuTime(pid)
	if err != nil {
		return o, err
	}
	if o, err = w.do(ctx, c, how, p); err != nil {
		return o, err
	}
	after, err := cpuTime(pid)
	o.Served = (after - before).Seconds()
	return o, err
}

// besideTree holds Hither against a module proxy without any work to do: the directory that the go command itself keeps,
// which is laid out as a module proxy is, served by nginx over plain HTTP.
func (w *world) besideTree(ctx context.Context, r *report, p *product, download client) error {
	if !w.wants(r.row.name, "tree") {
		return nil
	}
	root, err := w.moduleTree(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	server, err := w.nginx(ctx, filepath.Join(root, "mod", "cache", "download"))
	if err != nil {
		return err
	}
	defer server.stop()
	other := download
	other.env = append(slices.Clone(download.env), "GOPROXY=http://"+nginxAddr)
	return w.turns(ctx, r, cell{"tree", "go mod download, warm / nginx and a module tree", line{}, download, []bound{{warm, noise}}}, p, rival{other, server})
}

// moduleTree is a module cache with all that the project needs.
func (w *world) moduleTree(ctx context.Context) (root string, err error) {
	root, err = os.MkdirTemp(w.Dir, "tree-")
	if err != nil {
		return "", err
	}
	c := goClient("glow", "mod", "download")
	c.name = "module tree"
	for i := range c.env {
		c.env[i] = placed([]string{c.env[i]}, root)[0]
	}
	if _, err := w.do(ctx, c, direct, nil); err != nil {
		return "", fmt.Errorf("fill the module tree: %w", err)
	}
	return root, nil
}

func (w *world) besideVerdaccio(ctx context.Context, r *report, p *product, ci client) error {
	if !w.wants(r.row.name, "verdaccio") || w.brief() {
		return nil
	}
	server, err := w.verdaccio(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	other := ci
	other.name = "npm ci by Verdaccio"
	other.env = append(slices.Clone(ci.env), "npm_config_registry=http://"+verdaccioAddr+"/")
	if _, err := w.do(ctx, other, direct, nil); err != nil { // it fills its storage
		return err
	}
	return w.turns(ctx, r, cell{"verdaccio", "npm ci, warm / Verdaccio " + verdaccioVersion, line{}, ci, []bound{{warm, noise}}}, p, rival{other, server})
}
