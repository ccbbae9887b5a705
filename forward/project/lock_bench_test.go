package project

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// BenchmarkNPMLock reads a package-lock.json of 5 MB.
func BenchmarkNPMLock(b *testing.B) {
	data, err := os.ReadFile("../../cmd/hither/e2e/testdata/live/npm/package-lock.json")
	if err != nil {
		b.Fatal(err)
	}
	_, entries, _ := strings.Cut(string(data), "\"packages\": {")
	entries = strings.TrimSuffix(entries, "\n  }\n}\n")
	var lock strings.Builder
	lock.WriteString(`{"lockfileVersion": 3, "packages": {`)
	for i := 0; lock.Len() < 5<<20; i++ {
		if i > 0 {
			lock.WriteString(",")
		}
		lock.WriteString(strings.ReplaceAll(entries, "node_modules/", fmt.Sprintf("node_modules/n%d/node_modules/", i)))
	}
	lock.WriteString("}}")
	b.SetBytes(int64(lock.Len()))
	for b.Loop() {
		packages, err := parseNPMLock([]byte(lock.String()))
		if err != nil || len(packages) < 5000 {
			b.Fatal(len(packages), err)
		}
	}
}
