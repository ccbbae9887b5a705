package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"hither/cache"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/shell"
	"hither/cmd/hither/why"
)

// Bounds of the commands' side of the control socket.
const (
	clientDial  = 3 * time.Second
	clientWait  = 35 * time.Second // for an answer: a little longer than the daemon takes at most
	clientStall = time.Minute      // between two lines of a stream
)

var (
	// errNotRunning makes the exit status 3.
	errNotRunning = errors.New("Hither does not run")
	// errEnding is the answer of a Hither whose command has ended: wait for it to go, then start another.
	errEnding = errors.New("this Hither is about to end")
)

// client asks a running Hither through its control socket.
type client struct {
	state string
	call  func(command string) string // what to type for a command with that state directory
	http  *http.Client
}

// newClient does not connect yet.
func newClient(state string) *client {
	return &client{state: state, call: func(command string) string { return "hither " + command }, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, clientDial)
			defer cancel()
			return dialControl(ctx, state)
		},
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: clientWait,
	}}}
}

// client asks the Hither of the settings. What it tells to type finds the same state directory.
func (a *app) client() *client {
	c := newClient(a.settings.State)
	c.call = func(command string) string {
		sh, _ := shell.Find("", shell.Parent(), a.env) // fails only for a name
		return a.command(sh, command)
	}
	return c
}

// Ready tells where the running Hither is; errNotRunning if there is none.
func (c *client) Ready(ctx context.Context) (out Ready, err error) {
	return out, c.ask(ctx, http.MethodGet, "/ready", nil, &out)
}

// Status tells how it stands.
func (c *client) Status(ctx context.Context) (out Status, err error) {
	return out, c.ask(ctx, http.MethodGet, "/status", nil, &out)
}

// Why explains a URL.
func (c *client) Why(ctx context.Context, u string) (out why.Explanation, err error) {
	return out, c.ask(ctx, http.MethodGet, "/why", url.Values{"url": {u}}, &out)
}

// Usage tells what is kept.
func (c *client) Usage(ctx context.Context) (out cache.Usage, err error) {
	return out, c.ask(ctx, http.MethodGet, "/cache", nil, &out)
}

// Remove takes what u means out of the cache; the empty u is everything.
func (c *client) Remove(ctx context.Context, u string) (out Removal, err error) {
	query := url.Values{"url": {u}}
	if u == "" {
		query = url.Values{"all": {"1"}}
	}
	return out, c.ask(ctx, http.MethodDelete, "/cache", query, &out)
}

// Drain returns when no other command uses that Hither any more; it takes on no new ones.
func (c *client) Drain(ctx context.Context) error {
	c = newClient(c.state)
	c.http.Transport.(*http.Transport).ResponseHeaderTimeout = 0 // another command may run for hours; ctx ends it
	return c.ask(ctx, http.MethodPost, "/drain", nil, nil)
}

// Verify reads lines until the check is done; the last one is returned.
func (c *client) Verify(ctx context.Context, progress func(Verification)) (Verification, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body, err := c.do(ctx, http.MethodPost, "/cache/verify", nil)
	if err != nil {
		return Verification{}, err
	}
	defer body.Close()
	stall := time.AfterFunc(clientStall, func() { cancel(errors.New("Hither says nothing any more: see `hither status`")) })
	defer stall.Stop()
	lines := json.NewDecoder(body)
	for {
		var v Verification
		if err := lines.Decode(&v); err != nil {
			return v, cutShort(ctx, "the check", err)
		}
		stall.Reset(clientStall)
		if v.Err != "" {
			return v, errors.New(v.Err)
		}
		if v.Done {
			return v, nil
		}
		progress(v)
	}
}

// Lease is Ready with the promise that a Hither started for another command stays until stop is called. Gone is closed
// when it ended all the same. Until then, what our children work on may be read there; see projects.
func (c *client) Lease(ctx context.Context) (ready Ready, gone <-chan struct{}, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	body, err := c.do(ctx, http.MethodGet, "/lease", url.Values{"pid": {strconv.Itoa(os.Getpid())}})
	if err != nil {
		cancel()
		return Ready{}, nil, nil, err
	}
	lines := json.NewDecoder(body)
	if err := lines.Decode(&ready); err != nil {
		cancel()
		body.Close()
		return Ready{}, nil, nil, fmt.Errorf("%w: it went away", errEnding)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer body.Close()
		_, _ = io.Copy(io.Discard, body)
	}()
	return ready, ended, func() { cancel(); <-ended }, nil
}

// Begun tells that a command has begun, so that what its project needs can come while it starts. pid must be below the process
// that has a Lease. args are what it was started with: by the time that somebody looks, it may have written over them.
func (c *client) Begun(ctx context.Context, pid int, args []string) error {
	return c.ask(ctx, http.MethodPost, "/begun", url.Values{"pid": {strconv.Itoa(pid)}, "arg": args}, nil)
}

// ask wants one JSON answer; out may be nil.
func (c *client) ask(ctx context.Context, method, path string, query url.Values, out any) error {
	body, err := c.do(ctx, method, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("the running Hither answered something else (%w): is it another version?", err)
	}
	return nil
}

// do returns the body of a success. The caller closes it.
func (c *client) do(ctx context.Context, method, path string, query url.Values) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://hither"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w with the state directory %s: start it with `%s`, or for one command with `%s -- COMMAND`", errNotRunning, c.state, c.call("up"), c.call("run"))
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%w with the state directory %s, which is no directory: name another with --state", errNotRunning, c.state)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: only the user whose state directory %s is may ask its Hither: ask as that user, or name one of your own with --state", errors.Unwrap(err), c.state)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the running Hither: %w; if it does not recover, end it and start it again", errors.Unwrap(err))
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, readRefusal(resp)
}

func readRefusal(resp *http.Response) error {
	var refusal struct{ Error string }
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&refusal) // without a sentence the status must do
	if resp.StatusCode == http.StatusServiceUnavailable {
		return errEnding
	}
	if refusal.Error == "" {
		return fmt.Errorf("the running Hither answered %s: is it another version?", resp.Status)
	}
	if resp.StatusCode == http.StatusNotFound {
		return mirrors.Unknown(refusal.Error)
	}
	return errors.New(refusal.Error)
}
