package exchange

import "context"

type resendKey struct{}

// WithResend returns a context in which each value received from again makes an [Exchanger] send its question once more,
// to the next upstream if there are several. A client that asks again has probably lost a packet: joining it to the
// waiting question without sending anything would swallow its retry. What comes in the first quarter of a second may have
// to wait until that is over, because a reply is still likelier than a loss. The sender should not block: give the channel room
// for one and drop what does not fit. A nil or closed channel never resends.
func WithResend(ctx context.Context, again <-chan struct{}) context.Context {
	return context.WithValue(ctx, resendKey{}, again)
}

// Resends is the channel of [WithResend]; nil, on which nothing is ever received, if nobody may ask again.
func Resends(ctx context.Context) <-chan struct{} {
	again, _ := ctx.Value(resendKey{}).(<-chan struct{})
	return again
}
