package main

import (
	"log/slog"
	"path/filepath"
	"strings"

	"hither/cmd/hither/control"
	"hither/cmd/hither/goenv"
	"hither/cmd/hither/house"
	"hither/cmd/hither/kindling"
	"hither/cmd/hither/memory"
	"hither/cmd/hither/projects"
	"hither/cmd/hither/settings"
	"hither/forward/fetch"
	"hither/forward/prefetch"
	"hither/forward/prefetch/golang"
	"hither/forward/prefetch/npm"
	"hither/forward/prefetch/oci"
	"hither/forward/prefetch/recall"
	"hither/forward/project"
	"hither/rules"
)

// walks are the ecosystems whose clients are known to walk step by step, by the word that rule files use.
func walks() map[string]func(registry string) prefetch.Walk {
	most := int(memory.Scaled(npm.MaxReleases))
	return map[string]func(string) prefetch.Walk{
		"go": func(registry string) prefetch.Walk { return golang.New(registry) },
		"npm": func(registry string) prefetch.Walk {
			w := npm.New(registry)
			w.Most = most
			return w
		},
		"oci": func(registry string) prefetch.Walk { return oci.New(registry) },
	}
}

// beginning has what a command will ask for fetched while it starts. npm takes a second for that; the go command is quick, but
// the connections take three round trips. Only where it is known what it has already: one that has everything asks for nothing.
func beginning(at *projects.Finder, ahead *prefetch.Prefetcher) func(pid int, args []string) {
	return func(pid int, args []string) {
		place, ok := at.Begun(pid, args)
		switch {
		case !ok || place.Has == nil:
		case projects.IsNpm(place.Args):
			ahead.Begin(strings.TrimPrefix(project.NPMRegistry, "https://"), place)
		case golang.Is(place.Args):
			ahead.Begin(strings.TrimPrefix(goenv.PublicProxy, "https://"), place)
		}
	}
}

// lookAhead has what clients will ask for fetched before they do, as long as h.Ahead runs.
func lookAhead(h *house.House, c *control.Socket, f *fetch.Fetcher, k *kindling.Lighter, log *slog.Logger) {
	at := projects.New(h.Settings.ReadProjects, h.Settings.Listen, h.Settings.Runner)
	h.Ahead = newPrefetcher(h.Settings, h.Book.Now, f, at.Where, k, log)
	c.Enter, c.Begun = at.Enter, beginning(at, h.Ahead)
}

// newPrefetcher makes what asks ahead of clients, and lets it hear what they ask. It begins with Run.
func newPrefetcher(
	s settings.Settings, set func() *rules.Set, f *fetch.Fetcher, project func(fetch.Client) (prefetch.Place, bool), k *kindling.Lighter, log *slog.Logger,
) *prefetch.Prefetcher {
	p := &prefetch.Prefetcher{
		Rules: set, Fetch: f.Fetch, Walks: walks(), News: map[string]prefetch.News{"npm": new(npm.News)}, Project: project, Log: log, Ready: k.Light,
		Recall: &recall.Memory{Path: filepath.Join(s.State, "successors.json")}, Bodies: memory.Scaled(prefetch.MaxBodies),
	}
	told := f.Trace
	f.Trace.Asked, f.Trace.Missed = p.Asked, func(req fetch.Request) { k.Light(req.Rule) }
	f.Trace.Answered = func(req fetch.Request, r fetch.Report) {
		told.Answered(req, r)
		p.Answered(req, r)
	}
	f.Lacks, f.Came = p.Lacks, p.Came
	f.Trace.Filled = func(r fetch.Report) {
		told.Filled(r)
		p.Filled(r)
	}
	return p
}
