package prefetch

import (
	"runtime"
	"strings"
)

// platform is for which machines an image is. A field that is empty is not said.
type platform struct {
	OS, Architecture, Variant string
}

// thisPlatform is what an engine on this machine runs. Containers on macOS and Windows run in a Linux of their own.
func thisPlatform() platform {
	return platform{OS: "linux", Architecture: runtime.GOARCH}
}

// platformOf reads --platform=OS/ARCH/VARIANT, which docker, nerdctl and crane have. A daemon does not say.
func platformOf(args []string) (platform, bool) {
	for i, arg := range args {
		value, ok := strings.CutPrefix(arg, "--platform=")
		if arg == "--platform" && i+1 < len(args) {
			value, ok = args[i+1], true
		}
		if !ok {
			continue
		}
		os, rest, _ := strings.Cut(value, "/")
		architecture, variant, _ := strings.Cut(rest, "/")
		p := platform{OS: os, Architecture: architecture, Variant: variant}
		return p, p.known() && len(value) < 64
	}
	return platform{}, false
}

// known is false for what no machine runs: buildx puts its attestations into an index as unknown/unknown.
func (p platform) known() bool {
	return p.OS != "" && p.Architecture != "" && p.OS != "unknown" && p.Architecture != "unknown"
}

// choose picks the manifest that an engine would: of its system and architecture, and the best variant it can run
// (containerd, platforms.Only); of equals the first. False: there is none.
func (p platform) choose(all []descriptor) (descriptor, bool) {
	best, found := 0, descriptor{}
	for _, d := range all {
		if d.Digest == "" || !d.Platform.known() || d.Platform.OS != p.OS || d.Platform.Architecture != p.Architecture {
			continue
		}
		if g := p.grade(d.Platform.Variant); g > best {
			best, found = g, d
		}
	}
	return found, best > 0
}

// grade is how well a variant suits: the highest is the best, 0 does not run. An architecture has a usual variant, which is
// meant when none is said.
func (p platform) grade(variant string) int {
	usual := map[string]string{"arm64": "v8", "arm": "v7", "amd64": "v1"}[p.Architecture]
	own := p.Variant
	if own == "" {
		own = usual
	}
	if variant == "" {
		variant = usual
	}
	switch {
	case variant == own:
		return 100
	case p.Architecture == "arm" && variant < own || p.Architecture != "arm" && variant < own && usual != "":
		return 1 + level(variant) // older machines' code runs on newer ones
	}
	return 0
}

// level is the number in a variant: 7 of "v7".
func level(variant string) int {
	if len(variant) > 1 && variant[0] == 'v' && '0' <= variant[1] && variant[1] <= '9' {
		return int(variant[1] - '0')
	}
	return 0
}
