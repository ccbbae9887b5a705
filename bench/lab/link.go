//go:build linux

package lab

import "fmt"

// Link is a far link as it is at the beginning.
type Link struct {
	Name   string
	RTT    float64 // milliseconds
	Jitter float64 // ± milliseconds one way
	Loss   float64 // percent each way
	Rate   float64 // Mbit/s; 0: no limit
	Access float64 // Mbit/s of the line that the near end shares among all links that have one; 0: the link has its own
}

// String is the link in a person's words.
func (l Link) String() string {
	if l.Loss >= 100 {
		return l.Name + " dead"
	}
	return fmt.Sprintf("%s %g ms ±%g, %g %% loss, %g Mbit/s", l.Name, l.RTT, 2*l.Jitter, l.Loss, l.Rate)
}

// spec is the link in bench/wan's words. Its addresses follow from its place.
func (l Link) spec(place int) string {
	text := fmt.Sprintf("name=%s,client=%s,server=%s,cip=%s,sip=%s,delay=%g,jitter=%g,loss=%g,rate=%g",
		l.Name, Client, Space(l.Name), clientAddr(place), ServerAddr(place), l.RTT/2, l.Jitter, l.Loss, l.Rate)
	if l.Access > 0 {
		text += fmt.Sprintf(",access=%g", l.Access)
	}
	return text
}

// ServerAddr is the address of the server at the far end of a link, by the link's place. It is of the range for benchmarks (RFC
// 2544): a registry that redirects to a private address is not obeyed.
func ServerAddr(place int) string { return fmt.Sprintf("198.18.%d.2", place+1) }

// clientAddr is the address that it sees at the near end.
func clientAddr(place int) string { return fmt.Sprintf("198.18.%d.1", place+1) }
