package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/redact"
)

// addMirrors adds what `hither mirrors` asks.
func addMirrors(mux *http.ServeMux, d Daemon) {
	mux.HandleFunc("POST /mirrors", func(w http.ResponseWriter, r *http.Request) { streamSurvey(w, r, d) })
	mux.HandleFunc("GET /mirrors/history", answer(func(r *http.Request) (any, error) {
		all, err := d.History(r.Context())
		return historyAnswer{all}, err
	}))
	mux.HandleFunc("POST /choices", answer(func(r *http.Request) (any, error) {
		said, err := d.Choose(r.Context(), mirrors.Change{
			Verb: r.FormValue("verb"), Rule: r.FormValue("rule"), URL: r.FormValue("url"), Reason: r.FormValue("reason"),
		})
		return choiceAnswer{said}, err
	}))
}

// historyAnswer is the answer to GET /mirrors/history.
type historyAnswer struct {
	History []mirrors.History `json:"history"`
}

// choiceAnswer is the answer to POST /choices.
type choiceAnswer struct {
	Said string `json:"said"`
}

// streamSurvey tells of each measurement, and in the end of the whole.
func streamSurvey(w http.ResponseWriter, r *http.Request, d Daemon) {
	ask, err := parseSurveyAsk(r)
	if err != nil {
		refuse(w, http.StatusNotFound, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	tell := func(l mirrors.SurveyLine) {
		_ = lines.Encode(l)
		_ = http.NewResponseController(w).Flush()
	}
	tell(mirrors.SurveyLine{}) // the first one may take a while; the client waits for the header only so long
	s, err := d.Survey(r.Context(), ask, tell)
	if err != nil {
		tell(mirrors.SurveyLine{Err: redact.Text(err.Error()), Unknown: mirrors.IsUnknown(err)})
		return
	}
	tell(mirrors.SurveyLine{Survey: &s})
}

func parseSurveyAsk(r *http.Request) (ask mirrors.Ask, err error) {
	if err := r.ParseForm(); err != nil {
		return ask, err
	}
	ask.Rules, ask.Protos = r.Form["rule"], r.Form["proto"]
	if ask.Count, err = strconv.Atoi(r.FormValue("count")); err != nil {
		return ask, mirrors.Unknownf("count = %q is no number", r.FormValue("count"))
	}
	if ask.Interval, err = time.ParseDuration(r.FormValue("interval")); err != nil {
		return ask, mirrors.Unknownf("interval = %q is no duration, such as 1s", r.FormValue("interval"))
	}
	return ask, ask.Check()
}

// Survey lets the running Hither measure. progress is called for each measurement.
func (c *Client) Survey(ctx context.Context, ask mirrors.Ask, progress func(mirrors.SurveyLine)) (mirrors.Survey, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	query := url.Values{"rule": ask.Rules, "proto": ask.Protos, "count": {strconv.Itoa(ask.Count)}, "interval": {ask.Interval.String()}}
	body, err := c.do(ctx, http.MethodPost, "/mirrors", query)
	if err != nil {
		return mirrors.Survey{}, err
	}
	defer body.Close()
	patience := stallWait + ask.Interval
	stall := time.AfterFunc(patience, func() { cancel(errors.New("Hither says nothing any more: see `hither status`")) })
	defer stall.Stop()
	lines := json.NewDecoder(body)
	for {
		var l mirrors.SurveyLine
		switch err := lines.Decode(&l); {
		case err != nil:
			return mirrors.Survey{}, cutShort(ctx, "the measurement", err)
		case l.Unknown:
			return mirrors.Survey{}, mirrors.Unknown(l.Err)
		case l.Err != "":
			return mirrors.Survey{}, errors.New(l.Err)
		case l.Survey != nil:
			return *l.Survey, nil
		}
		stall.Reset(patience)
		progress(l)
	}
}

// cutShort says that a stream of the running Hither ended before its time.
func cutShort(ctx context.Context, what string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s was cut short: %w", what, cause)
	}
	return fmt.Errorf("%s was cut short, for Hither has ended (%w): start it again with `hither up`, or ask without it", what, err)
}

// History is what the running Hither remembers of the last day.
func (c *Client) History(ctx context.Context) ([]mirrors.History, error) {
	var out historyAnswer
	err := c.Ask(ctx, http.MethodGet, "/mirrors/history", nil, &out)
	return out.History, err
}

// Choose has the running Hither change what the user decided, and says what was done.
func (c *Client) Choose(ctx context.Context, change mirrors.Change) (string, error) {
	var out choiceAnswer
	err := c.Ask(ctx, http.MethodPost, "/choices", url.Values{
		"verb": {change.Verb}, "rule": {change.Rule}, "url": {change.URL}, "reason": {change.Reason},
	}, &out)
	return out.Said, err
}
