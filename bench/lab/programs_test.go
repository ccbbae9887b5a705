//go:build linux

package lab

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestAProgramThatIsNotThereIsToldOfFirst: and which flag named it.
func TestAProgramThatIsNotThereIsToldOfFirst(t *testing.T) {
	for _, hither := range []string{filepath.Join(t.TempDir(), "hither"), t.TempDir(), "hither-that-is-not-on-the-path"} {
		if _, err := Build(t.Context(), t.TempDir(), hither); err == nil || !strings.Contains(err.Error(), "-hither") {
			t.Errorf("%s\ngot  %v\nwant an error that names -hither", hither, err)
		}
	}
}
