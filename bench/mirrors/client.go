//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"hither/bench/lab"
)

// client asks from the near end, through Hither's gateway or directly.
type client struct {
	http *http.Client
	base string // URL before the path
}

// transfer is how one request went. Err is what a user would have seen: an error, a wrong status, wrong bytes.
type transfer struct {
	source string // who served it, by Hither's word
	bytes  int64
	took   time.Duration
	gap    time.Duration // the longest time without a byte
	err    error
}

// through is a client of Hither.
func (p *product) through() *client {
	return &client{http: &http.Client{Transport: p.world.transport()}, base: "http://" + lab.ProxyAddr + gateway}
}

// direct is a client of one server. Its connection stays warm, as Hither's do.
func (l *world) direct(server string) *client {
	return &client{http: &http.Client{Transport: l.transport()}, base: "https://" + hostName(server)}
}

func (l *world) transport() *http.Transport {
	addrs := map[string]string{}
	for i, link := range l.Links {
		addrs[hostName(link.Name)+":443"] = lab.ServerAddr(i) + ":443"
	}
	return &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: l.CA.Roots(), MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			if known, ok := addrs[addr]; ok {
				addr = known
			}
			err = lab.Within(lab.Client, func() (err error) {
				conn, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			return conn, err
		},
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// get fetches an object and checks every byte. progress is told how far it is; nil: nobody is.
func (c *client) get(ctx context.Context, o object, progress func(int64)) (t transfer) {
	began := time.Now()
	defer func() { t.took = time.Since(began) }()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+o.path(), nil)
	if err != nil {
		t.err = err
		return t
	}
	resp, err := c.http.Do(request)
	if err != nil {
		t.err = err
		return t
	}
	defer resp.Body.Close()
	t.source = serverOf(resp.Header.Get("Hither-Source"))
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		t.err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
		return t
	}
	t.read(resp.Body, o, began, progress)
	return t
}

func (t *transfer) read(body io.Reader, o object, last time.Time, progress func(int64)) {
	h, buf := sha256.New(), make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		t.gap = max(t.gap, time.Since(last))
		last = time.Now()
		h.Write(buf[:n])
		t.bytes += int64(n)
		if progress != nil {
			progress(t.bytes)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.err = err
			return
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != o.digest {
		t.err = fmt.Errorf("wrong bytes: %d of them are sha256:%s", t.bytes, got)
	}
}

// list asks for the list that changes.
func (c *client) list(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+listPath, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
