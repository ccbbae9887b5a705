package main

import (
	"context"
	"fmt"
	"os/signal"
	"strings"
	"time"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/terminal"
	"hither/forward/measure"
)

// watchKept is how many measurements of an upstream the statistics of --watch are of, the latest ones.
const watchKept = 100

// watchMirrors measures and shows again and again, until a signal, or as often as --count says.
func (a *app) watchMirrors(ctx context.Context, m *measurer, f mirrorsFlags, names []string) error {
	ctx, stop := signal.NotifyContext(ctx, stopSignals()...)
	defer stop()
	w := watcher{app: a, flags: f}
	ask := f.ask(names)
	ask.Count, ask.Interval = 1, max(f.interval, mirrors.LeastPause)
	for pass := 1; ; pass++ {
		next := time.NewTimer(f.interval)
		s, err := m.survey(ctx, ask, w.take)
		if err == nil {
			w.last = w.sumUp(s, pass)
			err = w.show(ctx.Err() != nil)
		}
		if err != nil && ctx.Err() == nil {
			next.Stop()
			return err
		}
		if f.countSet && pass >= f.count {
			next.Stop()
			return w.end()
		}
		select {
		case <-ctx.Done():
			next.Stop()
			return w.end()
		case <-next.C:
		}
	}
}

// watcher keeps what was measured so far, and how much of the screen its last table takes.
type watcher struct {
	app   *app
	flags mirrorsFlags
	kept  map[string][]measure.Result // by rule, base and protocol
	last  mirrors.Survey
	drawn int // lines to go back before the next table
	cut   bool
}

// take keeps one measurement.
func (w *watcher) take(l mirrors.SurveyLine) {
	if l.Result == nil {
		return
	}
	if w.kept == nil {
		w.kept = map[string][]measure.Result{}
	}
	key := keptKey(l.Rule, l.Result.Base, l.Proto)
	w.kept[key] = append(w.kept[key], *l.Result)
	w.kept[key] = w.kept[key][max(0, len(w.kept[key])-watchKept):]
}

func keptKey(rule, base, proto string) string { return rule + " " + base + " " + proto }

// sumUp puts the statistics of all passes in the place of those of the last one.
func (w *watcher) sumUp(s mirrors.Survey, pass int) mirrors.Survey {
	s.Count, s.Interval = min(pass, watchKept), w.flags.interval
	for i := range s.Rules {
		rule := &s.Rules[i]
		for j := range rule.Upstreams {
			for k, m := range rule.Upstreams[j].Measured {
				all := mirrors.Summary(m.Proto, w.kept[keptKey(rule.Rule, rule.Upstreams[j].Base, m.Proto)])
				all.Newest, all.Entry, all.Origins = m.Newest, m.Entry, m.Origins
				if all.Rate == 0 {
					all.Rate = m.Rate
				}
				rule.Upstreams[j].Measured[k] = all
			}
		}
	}
	return s
}

// show prints the last survey in the place of the one before. Where that is not possible, it follows it.
func (w *watcher) show(last bool) error {
	a := w.app
	if w.flags.json {
		return a.printJSON(w.last)
	}
	columns, rows, shown := terminal.Size(a.out)
	table := mirrors.Table{Ink: a.ink(), Brief: w.flags.brief}
	title := fmt.Sprintf("Measured at %s, again every %s; Ctrl-C ends.", w.last.When.Add(w.last.Took).Format("15:04:05"), w.flags.interval)
	if !shown {
		_, err := fmt.Fprintf(a.out, "%s\n\n%s\n\n", title, strings.Join(table.Lines(w.last), "\n"))
		return err
	}
	lines := append([]string{title, ""}, table.Lines(w.last)...)
	if len(lines) >= rows && !table.Brief {
		table.Brief = true
		lines = append([]string{title, ""}, table.Lines(w.last)...)
	}
	if w.cut = len(lines) >= rows && !last; w.cut && rows > 2 {
		more := fmt.Sprintf("… and %s more: name one rule to see all of it", amount.Count(int64(len(lines)-rows+2), "line"))
		lines = append(lines[:rows-2], more)
	}
	return w.draw(lines, columns)
}

// draw overwrites the lines drawn before. A terminal that is narrower than the table would break its lines, and our count
// of them: then it is drawn below.
func (w *watcher) draw(lines []string, columns int) error {
	back := ""
	if w.drawn > 0 && columns >= terminal.Width {
		back = fmt.Sprintf("\r\x1b[%dA\x1b[J", w.drawn)
	}
	w.drawn = len(lines)
	_, err := fmt.Fprint(w.app.out, back+strings.Join(lines, "\n")+"\n")
	return err
}

// end leaves the last table on the screen, whole, and says how the rules stand.
func (w *watcher) end() error {
	if w.last.Rules == nil {
		return nil // it was ended before the first table
	}
	if _, _, shown := terminal.Size(w.app.out); shown && !w.flags.json {
		fmt.Fprint(w.app.out, "\r\x1b[K") // the ^C of the keyboard
	}
	if w.cut {
		if err := w.show(true); err != nil {
			return err
		}
	}
	return failing(w.last)
}
