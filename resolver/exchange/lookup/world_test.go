package lookup

import (
	"context"
	"errors"
	"time"

	"hither/resolver/exchange/exchangetest"

	"github.com/miekg/dns"
)

const right = "reg.example. 60 IN A 192.0.2.1"

var errDown = errors.New("the network is down")

// after replies when d has gone by, unless the question is withdrawn.
func after(d time.Duration, o exchangetest.Oracle) exchangetest.Oracle {
	return func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
		select {
		case <-time.After(d):
			return o(ctx, q)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func down(context.Context, *dns.Msg) (*dns.Msg, error) { return nil, errDown }
