package golang

import (
	"cmp"
	"strings"

	"golang.org/x/mod/module"

	"hither/forward/project"
	"hither/rules"
)

// add wants $GOPROXY/MODULE/@v/VERSION.EXT; a name that no proxy has is left out.
func (w *Walk) add(to []project.Want, v module.Version, ext, why string) []project.Want {
	path, err := module.EscapePath(v.Path)
	version, err2 := module.EscapeVersion(v.Version)
	if cmp.Or(err, err2) != nil || module.Check(v.Path, v.Version) != nil {
		return to
	}
	return append(to, project.Want{URL: w.registry + "/" + path + "/@v/" + version + ext, Bulk: ext == ".zip", Why: why})
}

// question wants $GOPROXY/MODULE/REST, of what no module cache answers: "@v/list" or "@latest".
func (w *Walk) question(to []project.Want, path, rest, why string) []project.Want {
	escaped, err := module.EscapePath(path)
	if err != nil || module.CheckPath(path) != nil {
		return to
	}
	return append(to, project.Want{URL: w.registry + "/" + escaped + "/" + rest, Why: why})
}

// version is add the other way round.
func (w *Walk) version(url, ext string) (module.Version, bool) {
	rest, _ := strings.CutPrefix(url, w.registry+"/")
	path, version, ok := strings.Cut(strings.TrimSuffix(rest, ext), "/@v/")
	v := unescape(path, version)
	return v, ok && v.Path != ""
}

func unescape(path, version string) module.Version {
	p, err := module.UnescapePath(path)
	v, err2 := module.UnescapeVersion(version)
	if cmp.Or(err, err2) != nil {
		return module.Version{}
	}
	return module.Version{Path: p, Version: v}
}

// readMatch says which kind of document of which module a match is; empty for what this walk does not follow.
func readMatch(m rules.Match) (kind string, v module.Version) {
	if kind := versionless(m); kind != "" {
		v.Path, _ = module.UnescapePath(m.Vars["module"])
		return kind, v
	}
	v = unescape(m.Vars["module"], m.Vars["version"])
	if v.Path == "" {
		return "", v
	}
	if m.Host.Key != "" {
		if strings.HasPrefix(m.Clean, "/lookup/") {
			return "lookup", v
		}
		return "", v
	}
	for _, ext := range [...]string{".mod", ".info", ".zip"} {
		if strings.HasSuffix(m.Clean, ext) {
			return ext, v
		}
	}
	return "", v
}

// versionless says which kind of question of a module as a whole a match is; empty if it is none.
func versionless(m rules.Match) string {
	switch {
	case m.Host.Key != "" || m.Vars["version"] != "" || m.Vars["query"] != "":
		return ""
	case strings.HasSuffix(m.Clean, "/@v/list"):
		return "list"
	case strings.HasSuffix(m.Clean, "/@latest"):
		return "latest"
	}
	return ""
}
