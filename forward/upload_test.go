package forward_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"hither/forward"
	"hither/forward/wiretest"
	"hither/rules"
)

// reading is an origin that answers when all of an upload has come, and takes so long for each piece, unless nobody waits.
type reading struct{ pause time.Duration }

func (o reading) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		if _, err := io.ReadFull(r.Body, make([]byte, len("piece"))); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		select {
		case <-time.After(o.pause):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return &http.Response{StatusCode: http.StatusCreated, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// uploadSlowly sends pieces with a pause in front of each, and then the end, or nothing more. It returns what the client heard, and after
// which time.
func uploadSlowly(t *testing.T, scheme string, h2 bool, to reading, pieces int, pause time.Duration, ends bool) string {
	ca, l := newTestCA(t), make(wiretest.Pipes)
	set, err := rules.Load(fstest.MapFS{"reg.toml": {Data: []byte(strings.ReplaceAll(regFile, "ORIGIN", "https://origin.test"))}})
	if err != nil {
		t.Fatal(err)
	}
	s := &forward.Server{Rules: func() *rules.Set { return set }, Pass: to, CA: ca}
	go s.Serve(l)
	defer s.Shutdown(t.Context())
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	carrier := &http.Transport{
		Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: ca.pool()},
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			l <- far
			return newSlow(near, math.MaxInt), nil
		},
	}
	defer carrier.CloseIdleConnections()
	body, client := io.Pipe()
	defer client.Close()
	go func() {
		for range pieces {
			time.Sleep(pause)
			io.WriteString(client, "piece")
		}
		if ends {
			client.Close()
		}
	}()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, scheme+"://"+host+"/never/a", body)
	began := time.Now()
	res, err := carrier.RoundTrip(req)
	if err != nil {
		return fmt.Sprint(err, " after ", time.Since(began).Round(time.Minute))
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(res.Body)
	return fmt.Sprint(res.StatusCode, " ", string(said), "after ", time.Since(began).Round(time.Minute))
}

func TestAnUploadIsWaitedForAsLongAsItComes(t *testing.T) {
	for _, c := range []struct {
		what   string
		to     reading
		pieces int
		pause  time.Duration
		ends   bool
		want   string
	}{
		{"it comes slowly", reading{}, 20, 4 * time.Minute, true, "201 after 1h20m0s"},
		{"the origin takes it slowly", reading{10 * time.Minute}, 3, 0, true, "201 after 30m0s"},
		{"the origin takes no more", reading{10 * time.Hour}, 3, 0, true, "504 The registry took nothing more of the upload for half an hour. Send it again.\nafter 30m0s"},
		{"it stands still", reading{}, 3, time.Minute, false, "408 Nothing more of the upload came for five minutes. Send it again.\nafter 8m0s"},
		{"it never begins", reading{}, 0, 0, false, "408 Nothing more of the upload came for five minutes. Send it again.\nafter 5m0s"},
	} {
		for _, way := range slowWays {
			t.Run(c.what+", "+way.what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if got := uploadSlowly(t, way.scheme, way.h2, c.to, c.pieces, c.pause, c.ends); got != c.want {
						t.Errorf("\ngot:  %s\nwant: %s", got, c.want)
					}
				})
			})
		}
	}
}
