package link

import (
	"bytes"
	"context"
	"os/exec"
)

// System reads what `scutil --dns` prints: the primary network's servers, those of VPNs, and /etc/resolver.
func System(ctx context.Context) ([]Link, error) {
	out, err := exec.CommandContext(ctx, "/usr/sbin/scutil", "--dns").Output()
	if err == nil {
		if links, err := parseScutil(bytes.NewReader(out)); err == nil && len(links) > 0 {
			return links, nil
		}
	}
	return resolvConfLinks()
}
