package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// through is a way to the registries by Hither's proxy, with nothing trusted but Hither's root. The caller closes its idle
// connections. It is an error if Hither does not run.
func (p *Patient) through() (*http.Transport, error) {
	if !p.Daemon.Running || len(p.Daemon.Proxy) == 0 {
		return nil, errors.New("Hither does not run")
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.CA)
	return &http.Transport{
		Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: p.Daemon.Proxy[0]}),
		DialContext:       p.dial,
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}, nil
}

// direct is a way past Hither, by its own way out: through the upstream proxy if there is one.
func (p *Patient) direct() *http.Transport {
	dial := p.Out
	if dial == nil {
		dial = p.dial
	}
	return &http.Transport{
		DialContext:       dial,
		TLSClientConfig:   &tls.Config{RootCAs: p.Roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
}

// documentLimit is more than any document has that is asked for here, in bytes.
const documentLimit = 1 << 20

// fetched is one answer, read to its end.
type fetched struct {
	Status int
	Header http.Header
	Took   time.Duration
}

// get asks once and reads all.
func get(ctx context.Context, by http.RoundTripper, method, target string) (fetched, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return fetched{}, err
	}
	req.Header.Set("User-Agent", "hither-doctor")
	began := time.Now()
	resp, err := by.RoundTrip(req)
	if err != nil {
		return fetched{}, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, documentLimit))
	return fetched{Status: resp.StatusCode, Header: resp.Header, Took: time.Since(began)}, err
}
