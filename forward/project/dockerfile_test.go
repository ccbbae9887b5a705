package project

import (
	"strings"
	"testing"
)

func dockerfiles() []struct{ says, text, want string } {
	return []struct{ says, text, want string }{
		{"stages are not pulled", "FROM golang:1.26 AS Build\nFROM build AS test\nFROM scratch\nCOPY --from=build /a /b\nCOPY --from=0 /a /b\nCOPY --from=busybox:1 /bin /bin\n", "golang:1.26 busybox:1"},
		{"arguments have defaults", "ARG V=3.20\nARG BASE=\"alpine:${V}\"\nARG NONE\nFROM $BASE\nFROM debian:${NONE:-trixie}-slim\nFROM x${V:+y}\nFROM $NONE\nFROM a:${NONE}\n", "alpine:3.20 debian:trixie-slim xy"},
		{"arguments behind a FROM are not of the next one", "FROM a\nARG V=1\nFROM b:$V\n", "a"},
		{"platforms", "FROM --platform=$BUILDPLATFORM golang AS b\nFROM --platform=linux/amd64 x/${TARGETOS}\n", "golang x/linux"},
		{"the syntax line is an image", "# syntax=docker/dockerfile:1.7\n# a word\n# syntax=not/this\nFROM a\n", "docker/dockerfile:1.7 a"},
		{"lines go on", "FROM \\\n # a word between\n\n  a:1 \\\n  AS x\nRUN echo \\\nFROM no\n", "a:1"},
		{"the escape may be another", "# escape=`\nFROM `\na\nRUN dir C:\\\nFROM b\n", "a b"},
		{"here-documents are no instructions", "FROM a\nRUN <<EOF cat <<-'END'\nFROM no\nEOF\nFROM no\n\tEND\nFROM b\nRUN cat <<<x\nRUN echo $((1 << 2))\nFROM c\n", "a b c"},
		{"mounts", "FROM a\nRUN --mount=type=bind,from=tools:2,target=/t --mount=type=cache,target=/c make\n", "a tools:2"},
		{"each once", "from a\nFrom a as b\nFROM a@sha256:0123\n", "a a@sha256:0123"},
		{"damaged", "FROM\nFROM ${\nFROM ${A\nFROM ${A:}\nFROM ${A:x}\nFROM \"\nCOPY --from=\nRUN --mount=\nARG\n\\", ""},
	}
}

func TestImagesOfADockerfile(t *testing.T) {
	for _, row := range dockerfiles() {
		images := must[[]string](t)(Images(strings.NewReader(row.text)))
		same(t, row.says, strings.Join(images, " "), row.want)
	}
}

func TestALineWithoutEndIsNoDockerfile(t *testing.T) {
	if _, err := Images(strings.NewReader(strings.Repeat("x", 2*maxInstruction))); err == nil {
		t.Error("it was read")
	}
}

func FuzzDockerfile(f *testing.F) {
	for _, row := range dockerfiles() {
		f.Add(row.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		images, _ := Images(strings.NewReader(text))
		for _, image := range images {
			if image == "" || strings.ContainsAny(image, " \n$") {
				t.Errorf("%q is no image", image)
			}
		}
	})
}
