package netwatch

import (
	"os"
	"slices"
	"strings"

	"hither/cache/wholefile"
)

// defaultRoutes are the ways out, each "INTERFACE FAMILY GATEWAY METRIC", sorted; known is false if the kernel does not tell.
func defaultRoutes() (routes []string, known bool, err error) {
	for _, from := range []struct {
		file  string
		parse func(string) []string
	}{{"/proc/net/route", parseRoutes4}, {"/proc/net/ipv6_route", parseRoutes6}} {
		text, err := os.ReadFile(from.file)
		if wholefile.OutOfFiles(err) {
			return nil, false, err
		}
		if err != nil {
			continue // no such protocol
		}
		known = true
		routes = append(routes, from.parse(string(text))...)
	}
	slices.Sort(routes)
	return slices.Compact(routes), known, nil
}

// halves of the Internet are what VPNs route to themselves, so as to leave the default route in its place.
const half4, half6 = "00000080", "01"

// parseRoutes4 reads Iface Destination Gateway Flags RefCnt Use Metric Mask …, with addresses as little-endian numbers.
func parseRoutes4(text string) (routes []string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 8 || f[7] != "00000000" && f[7] != half4 {
			continue
		}
		routes = append(routes, strings.Join([]string{f[0], "4", f[1], f[2], f[6]}, " "))
	}
	return routes
}

// parseRoutes6 reads destination length source length next-hop metric refcnt use flags interface. Rejecting routes lead
// nowhere.
func parseRoutes6(text string) (routes []string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 10 || f[9] == "lo" || f[1] != "00" && f[1] != half6 {
			continue
		}
		routes = append(routes, strings.Join([]string{f[9], "6", f[0], f[4], f[5]}, " "))
	}
	return routes
}
