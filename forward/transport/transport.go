// Package transport carries requests to upstreams: pooled HTTP/3, HTTP/2 and HTTP/1.1 connections with wide windows. Who is
// connected to is said by dial.Dialer; redirects and anonymous tokens are small things wrapped around the same http.RoundTripper.
//
//	dialer := &dial.Dialer{Resolver: resolver, Self: isOurs}
//	pool := transport.New(transport.Config{Dial: dialer.DialContext, UserAgent: agent})
//	plain := &redirect.Follow{Next: pool}
//	tokens := &redirect.Follow{Next: &bearer.Tokens{Next: pool}} // each hop asks for a token of its own
//
// A Pool learns where HTTP/3 is offered, connects beside the requests and uses it where it answers sooner ([Pool.Report]).
// [Pool.Warm] connects ahead. With [Config.Sessions] the next start resumes what this one left; [Pool.Close] writes that.
//
// A request marked with [mark.Lane] has connections of its own, for parts of one body. [Config.Single] makes a transport that
// connects anew for each request, over HTTP/1.1, HTTP/2 or HTTP/3, for measuring.
package transport
