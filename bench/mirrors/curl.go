//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"hither/bench/lab"
)

// curl fetches a URL with one connection of the ordinary client, at the near end. It returns Mbit/s of the body.
func (l *world) curl(ctx context.Context, url string, size int64) (float64, error) {
	const most = 2 * time.Minute
	out, err := lab.Output(ctx, "ip", "netns", "exec", lab.Client, "curl", "-sS", "--fail", "--cacert", l.CA.File,
		"--max-time", fmt.Sprint(most.Seconds()), "-o", "/dev/null", "-w", "%{json}", url)
	if err != nil {
		return 0, err
	}
	var said struct {
		Time float64 `json:"time_total"`
		Size int64   `json:"size_download"`
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return 0, fmt.Errorf("read what curl says: %w", err)
	}
	if said.Size != size || said.Time <= 0 {
		return 0, fmt.Errorf("curl brought %d bytes of %d", said.Size, size)
	}
	return megabits(said.Size, said.Time), nil
}

// curlHither fetches an object through Hither's gateway.
func (p *product) curl(ctx context.Context, o object) (float64, error) {
	return p.world.curl(ctx, "http://"+lab.ProxyAddr+gateway+o.path(), o.size)
}

// curlDirect fetches an object from one server.
func (l *world) curlDirect(ctx context.Context, server string, o object) (float64, error) {
	return l.curl(ctx, "https://"+hostName(server)+o.path(), o.size)
}

// megabits is a rate in Mbit/s.
func megabits(bytes int64, seconds float64) float64 { return float64(bytes) * 8 / 1e6 / seconds }
