package tools

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
	"hither/install/toolfile"
)

// cargoSteps replaces the source of crates.io by our gateway where there is one: Cargo.lock keeps the origin's name, so
// this is the cleanest way of all. Without a gateway Cargo gets the proxy. Neither has a second way, so both are volatile.
// Each line says all by itself, at the head of the file: below a header of ours the user's later lines would lose it.
func cargoSteps(m *install.Machine, t Tooling) []install.Step {
	file := toolfile.CargoConfig(m, toolfile.CargoHome(m))
	return []install.Step{install.Edit{
		On: m, Name: "send Cargo through Hither in " + file, Path: file, Volatile: true, Mode: 0o644,
		Change: func(old []byte, _ bool) ([]byte, error) {
			body := bytes.TrimPrefix(old, []byte("\ufeff")) // as editors on Windows begin files; Cargo reads them
			bom := old[:len(old)-len(body)]
			f, err := lines.ParseTOML(body)
			if err != nil {
				return nil, install.InFile(file, err)
			}
			put := putCargoProxy
			if _, ok := t.gateway("cargo"); ok {
				put = putCargoSource
			}
			out, err := put(f, t)
			return slices.Concat(bom, out), install.InFile(file, err)
		},
	}}
}

// putCargoSource leaves a replacement that the user made: which one shall stand behind ours cannot be said in this file.
func putCargoSource(f *lines.TOML, t Tooling) ([]byte, error) {
	gateway, _ := t.gateway("cargo")
	registry := "sparse+" + gateway + "/"
	theirs := f.Table("source", "crates-io")
	if lines.String(theirs, "replace-with") == "hither" && lines.String(f.Table("source", "hither"), "registry") == registry {
		return f.Text, nil
	}
	if theirs != nil || f.Table("source", "hither") != nil {
		return nil, install.Refuse("replaces crates.io by %q: take the table [source.crates-io] away, because Hither finds the fastest mirror itself, or leave cargo out",
			lines.String(theirs, "replace-with"))
	}
	added := fmt.Sprintf("source.crates-io.replace-with = \"hither\"\nsource.hither.registry = %s\n", strconv.Quote(registry))
	return f.Insert(0, added, func(tree map[string]any) {
		lines.Sub(tree, "source", "crates-io")["replace-with"] = "hither"
		lines.Sub(tree, "source", "hither")["registry"] = registry
	})
}

// putCargoProxy sets http.proxy, and http.cainfo to a complete file if there is none: it replaces all other roots.
func putCargoProxy(f *lines.TOML, t Tooling) ([]byte, error) {
	http := f.Table("http")
	now, set := http["proxy"]
	if set && proxyname.Same(fmt.Sprint(now), t.proxyURL()) {
		return f.Text, nil
	}
	if set {
		// Not replaced even if it is the proxy behind us: the line may be one of many forms, and only adding is safe.
		return nil, install.Refuse("names the proxy %s: take http.proxy away and let Hither go out through that one with upstream-proxy in its config.toml, or leave cargo out",
			proxyname.Shown(fmt.Sprint(now)))
	}
	at, prefix := f.Header("[http]")+1, ""
	if at == 0 {
		prefix = "http."
	}
	added := prefix + "proxy = " + strconv.Quote(t.proxyURL()) + "\n"
	cainfo := ""
	if _, ok := http["cainfo"]; !ok && t.Bundle != "" {
		cainfo = t.Bundle
		added += prefix + "cainfo = " + strconv.Quote(cainfo) + "\n"
	}
	return f.Insert(at, added, func(tree map[string]any) {
		lines.Sub(tree, "http")["proxy"] = t.proxyURL()
		if cainfo != "" {
			lines.Sub(tree, "http")["cainfo"] = cainfo
		}
	})
}
