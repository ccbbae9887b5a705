package prefetch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/forward/project"
)

// Of what a lock file says too little, npm asks for the short packuments, as it writes that: also where it is of npm 6.
func TestNPMAsksForWhatALockFileLacks(t *testing.T) {
	for lock, want := range map[string]string{
		`{"lockfileVersion":1,"dependencies":{"chalk":{"version":"4.1.2","resolved":"https://registry.npmjs.org/chalk/-/chalk-4.1.2.tgz"},"@s/x":{"version":"1.0.0"}}}`: "/chalk /@s/x /@s/x/-/x-1.0.0.tgz /chalk/-/chalk-4.1.2.tgz",
		`{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0"},"node_modules/b":{"version":"1.0.0","resolved":"https://registry.npmjs.org/b/-/b-1.0.0.tgz"},
			"node_modules/c/node_modules/a":{"version":"2.0.0"},"node_modules/git":{"resolved":"git+ssh://git@h/x.git"}}}`: "/a /a/-/a-2.0.0.tgz /b/-/b-1.0.0.tgz /a/-/a-1.0.0.tgz",
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"package.json": "{}", "package-lock.json": lock} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := newNPMWorld(t)
		wants := w.walk.Project(dir, []string{"npm", "ci"})
		same(t, "wanted", strings.Join(npmPaths(wants), " "), want)
		for _, want := range wants {
			if !want.Bulk {
				same(t, want.URL, strings.Join(want.Accept, "|")+" because "+want.Why, short+"; q=1.0, "+full+"; q=0.8, */* because "+project.WhySparse)
			}
		}
	}
}
