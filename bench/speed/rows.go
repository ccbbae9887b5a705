//go:build linux

package main

import (
	"context"
	"fmt"

	"hither/bench/lab"
)

// row is a group of promises, by their number in the issue.
type row struct {
	name  string
	about string
	cells []string   // which of its number it has; nil: all
	links []lab.Link // nil: the far link alone
	run   func(context.Context, *world, *report) error
}

// farLink is what rows begin with; each cell gives it its own delay, rate and loss.
const farLink = "far"

func rows() []row {
	return []row{
		{name: "0", about: "the bench itself: the recorded registries beside the real ones", run: realRow},
		{name: "1", about: "go mod download and go list -m all", run: goRow},
		{name: "2", about: "npm, pnpm, Yarn and Bun, without a lock file and with one", run: npmRow},
		{name: "3", about: "an image and a blob over one link", cells: imageCells(), run: imageRow},
		{name: "3", about: "three sources of 20 Mbit/s each", cells: []string{"capped"}, links: cappedLinks(), run: cappedRow},
		{name: "3", about: "three sources behind one line of 50 Mbit/s", cells: []string{"shared", "sharedby"}, links: sharedLinks(), run: sharedRow},
		{name: "4", about: "never slower, on any line", run: matrixRow},
		{name: "5", about: "warm, beside going direct and beside servers of one's own", run: warmRow},
		{name: "6", about: "work done per processor second, beside nginx over TLS", run: serveRow},
		{name: "7", about: "HTTP/3 where it is offered, and where UDP leads nowhere", run: quicRow},
		{name: "8", about: "memory, and the start", run: memoryRow},
		{name: "9", about: "what was fetched for nothing", run: wasteRow},
	}
}

// usual is the line that most promises are about.
func usual() line { return line{rtt: 200, rate: 100} }

// goRow is Done-when 1.
func goRow(ctx context.Context, w *world, r *report) error {
	download, list := goClient("glow", "mod", "download"), goClient("glow", "list", "-m", "all")
	cells := []cell{
		{"download", "go mod download, 66 modules", usual(), download, []bound{{level1, 0.40}, {level2, 0.30}}},
		{"list", "go list -m all, 152 modules", usual(), list, []bound{{level1, 0.30}, {level2, 0.15}}},
		{"caddy", "go list -m all of caddy, 423 modules", usual(), goClient("caddy", "list", "-m", "all"), []bound{{level1, 0.30}, {level2, 0.15}}},
		{"prometheus", "go list -m all of prometheus, 365 modules", usual(), goClient("prometheus", "list", "-m", "all"), []bound{{level1, 0.30}, {level2, 0.15}}},
		{"updates", "go list -m -u all, 152 modules", usual(), goClient("glow", "list", "-m", "-u", "all"), []bound{{level1, 0.25}, {level2, 0.20}}},
		{"upgrade", "go get -u ./...", usual(), goClient("small", "get", "-u", "./..."), []bound{{level1, 0.70}, {level2, 0.60}}},
		{"tidy", "go mod tidy", usual(), goClient("small", "mod", "tidy"), []bound{{level1, never}}},
		{"why", "go mod why -m", usual(), goClient("small", "mod", "why", "-m", "golang.org/x/text"), []bound{{level1, never}}},
		{"latest", "go get X@latest", usual(), goClient("small", "get", "golang.org/x/tools@latest"), []bound{{level1, 1}, {level2, 0.90}}},
		{"download400", "go mod download, 66 modules", line{rtt: 400, rate: 100}, download, []bound{{level2, 0.28}}},
		{"download50", "go mod download, 66 modules", line{rtt: 50, rate: 100}, download, []bound{{level2, 0.55}}},
	}
	if w.brief() {
		cells = cells[:2]
	}
	return w.compareAll(ctx, r, cells)
}

// npmRow is Done-when 2.
func npmRow(ctx context.Context, w *world, r *report) error {
	lock, err := w.lockFile(ctx, "package")
	if err != nil {
		return err
	}
	packages := fmt.Sprint(countLocked(lock), " packages")
	ci, err := w.npmCI(ctx, "package")
	if err != nil {
		return err
	}
	tarballs, err := w.tarballs(ctx, "package")
	if err != nil {
		return err
	}
	eight, err := w.npmInstall("package", cores)
	if err != nil {
		return err
	}
	two, err := w.npmInstall("package", 2)
	if err != nil {
		return err
	}
	cells := []cell{
		{"ci", "npm ci, " + packages, usual(), ci, []bound{{level1, 0}, {level2, 0.45}}},
		{"ci20", "npm ci, " + packages, line{rtt: 200, rate: 20}, ci, []bound{{level1, never}, {level2, never}}},
		{"ci5", "npm ci, " + packages, line{rtt: 100, rate: 5}, ci, []bound{{level1, never}, {level2, never}}},
		{"tarballs", "the tarballs of npm ci, without npm's own work, " + packages, usual(), tarballs, []bound{{level2, 0.45}}},
		{"install", "npm install, " + packages + ", 8 cores", usual(), eight, []bound{{level1, 0.45}, {level2, 0.45}}},
		{"install2", "npm install, " + packages + ", 2 cores", usual(), two, []bound{{level1, 0.30}}},
	}
	if w.brief() {
		return w.compareAll(ctx, r, cells[:1])
	}
	if err := w.compareAll(ctx, r, cells); err != nil {
		return err
	}
	if cells, err = w.managerCells(ctx, r); err != nil {
		return err
	}
	return w.compareAll(ctx, r, cells)
}

func (w *world) compareAll(ctx context.Context, r *report, cells []cell) error {
	for _, c := range cells {
		if err := w.compare(ctx, r, c); err != nil {
			return err
		}
	}
	return nil
}

// realRow runs a client against the real registries, and against the recorded ones over a line as long as the real one's.
// It bounds nothing: networks differ from hour to hour.
func realRow(ctx context.Context, w *world, r *report) error {
	if !w.wants(r.row.name, "real") || w.brief() {
		return nil
	}
	trip, err := roundTrip(ctx, goHost)
	if err != nil {
		r.note("the real registries are out of reach, so there is nothing to compare: %v", err)
		return nil
	}
	return w.compare(ctx, r, cell{"real", "go mod download, 66 modules, the real registry / the recorded one",
		line{rtt: 1000 * trip.Seconds()}, goClient("glow", "mod", "download"), []bound{{real, 0}}})
}
