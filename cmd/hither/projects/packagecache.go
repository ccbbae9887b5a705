package projects

import (
	"os"
	"path/filepath"

	"hither/cmd/hither/environ"
	"hither/forward/npmrc"
	"hither/forward/peer"
	"hither/forward/project"
)

// keeps tells what a client will not ask for, because it has it already; nil: nobody knows.
func keeps(p peer.Process, env environ.List) func(project.Want) bool {
	if args, ok := npmArgs(p.Args); ok {
		r := clientSettings(p, env)
		r.Args = args
		return hasPackage(r)
	}
	return hasModule(env)
}

// hasPackage tells which tarballs npm has in its own cache, where they stand by their digests (cacache, content-v2); nil:
// nobody knows where that is, or which of what a lock file names npm leaves out. Only names are looked at.
func hasPackage(r npmrc.Reader) func(project.Want) bool {
	settings := r.Read()
	if settings.Blind || settings.Less() {
		return nil
	}
	cache := settings.Cache()
	switch {
	case settings.Is("offline"):
		return func(project.Want) bool { return true }
	case cache == "":
		return nil
	}
	content := filepath.Join(cache, "_cacache", "content-v2")
	return func(w project.Want) bool {
		sum := w.Digest.Sum()
		if !w.Bulk || !w.Digest.Pins() || len(sum) < 5 {
			return false
		}
		_, err := os.Lstat(filepath.Join(content, string(w.Digest.Algorithm()), sum[:2], sum[2:4], sum[4:]))
		return err == nil
	}
}
