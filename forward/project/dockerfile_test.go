package project

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func dockerfiles() []struct{ says, text, want string } {
	return []struct{ says, text, want string }{
		{"stages are not pulled", "FROM golang:1.26 AS Build\nFROM build AS test\nFROM scratch\nCOPY --from=build /a /b\nCOPY --from=0 /a /b\nCOPY --from=busybox:1 /bin /bin\n", "golang:1.26 busybox:1"},
		{"arguments have defaults", "ARG V=3.20\nARG BASE=\"alpine:${V}\"\nARG NONE\nFROM $BASE\nFROM debian:${NONE:-trixie}-slim\nFROM x${V:+y}\nFROM $NONE\nFROM a:${NONE}\n", "alpine:3.20 debian:trixie-slim xy and 2 more"},
		{"arguments behind a FROM are not of the next one", "FROM a\nARG V=1\nFROM b:$V\n", "a and 1 more"},
		{"platforms", "FROM --platform=linux/amd64 golang AS b\nFROM --platform=linux/${TARGETARCH} x/${TARGETOS}\nFROM golang\nFROM --platform=$NONE golang\n",
			"golang(linux/amd64) x/linux(linux/arm) golang"},
		{"the target's parts", "FROM a:${TARGETARCH}${TARGETVARIANT}\n", "a:armv7"},
		{"what no build could name is counted", "ARG NONE\nFROM $NONE\nFROM ${NONE}a\nCOPY --from=\"a b\" / /\nFROM $NONE AS b\nFROM b\n", "and 4 more"},
		{"the syntax line is an image", "# syntax=docker/dockerfile:1.7\n# a word\n# syntax=not/this\nFROM a\n", "docker/dockerfile:1.7(" + BuildPlatform + ") a"},
		{"lines go on", "FROM \\\n # a word between\n\n  a:1 \\\n  AS x\nRUN echo \\\nFROM no\n", "a:1"},
		{"what is empty has a value where there is no colon", "ARG E=\nFROM a${E-:1}\nFROM b${E:-:1}\nFROM c${E+:1}\nFROM d${E:+:1}\n", "a b:1 c:1 d"},
		{"words go on", "FROM ngi\\\n# in the word\nnx:\\  \n1\nFR\\\nOM b\n", "nginx:1 b"},
		{"an escape that is escaped ends its line", "FROM a\nRUN dir C:\\\\\nFROM b\n", "a b"},
		{"a script's first line is no word", "#!/usr/bin/env docker-build\n# syntax=docker/dockerfile:1\nFROM a\n", "docker/dockerfile:1(" + BuildPlatform + ") a"},
		{"flags stand in front", "FROM a\nRUN --network=none podman run --mount=type=bind,from=corp:1 x\nCOPY a --from=no b\n", "a"},
		{"the escape may be another", "# escape=`\nFROM `\na\nRUN dir C:\\\nFROM b\n", "a b"},
		{"here-documents are no instructions", "FROM a\nRUN <<EOF cat <<-'END'\nFROM no\nEOF\nFROM no\n\tEND\nFROM b\nRUN cat <<<x\nRUN echo $((1 << 2)) $((1<<3)) a<<b\nFROM c\nCOPY 1<<EOF /x\nFROM no\nEOF\nFROM d\n", "a b c d"},
		{"here-documents are none within quotes", "FROM a\nRUN echo 'a <<EOF b' \"see <<EOF\" it\\'s <<'END'\nFROM no\nEND\nFROM b\nRUN [\"sh\", \"-c\", \"cat <<EOF\"]\nFROM c\n", "a b c"},
		{"tabs in front of its end are for a dash", "FROM a\nRUN\t<<EOF\n\tEOF\nFROM no\nEOF\nCOPY <<-EOF /x\nFROM no\n\tEOF\nFROM b\n", "a b"},
		{"mounts", "FROM a\nRUN --mount=type=bind,from=tools:2,target=/t --mount=type=cache,target=/c make\n", "a tools:2"},
		{"each once", "from a\nFrom a as b\nFROM a@sha256:0123\n", "a a@sha256:0123"},
		{"damaged", "FROM\nFROM ${\nFROM ${A\nFROM ${A:}\nFROM ${A:x}\nFROM \"\nCOPY --from=\nRUN --mount=\nARG\n\\", "and 6 more"},
	}
}

func TestImagesOfADockerfile(t *testing.T) {
	for _, row := range dockerfiles() {
		images, unnamed, err := Images(strings.NewReader(row.text), "linux/arm/v7")
		if err != nil {
			t.Errorf("%s: %v", row.says, err)
		}
		var words []string
		for _, i := range images {
			if i.Platform != "" {
				i.Name += "(" + i.Platform + ")"
			}
			words = append(words, i.Name)
		}
		if unnamed > 0 {
			words = append(words, "and", strconv.Itoa(unnamed), "more")
		}
		same(t, row.says, strings.Join(words, " "), row.want)
	}
}

func TestABuildPlatformIsWhereTheBuildRuns(t *testing.T) {
	images, _, err := Images(strings.NewReader("FROM --platform=$BUILDPLATFORM a\nFROM --platform=$TARGETPLATFORM a\n"), "linux/arm/v7")
	if want := []Image{{"a", BuildPlatform}, {"a", "linux/arm/v7"}}; err != nil || !slices.Equal(images, want) {
		t.Errorf("images\n got %v %v\nwant %v", images, err, want)
	}
}

func TestALineWithoutEndIsNoDockerfile(t *testing.T) {
	if _, _, err := Images(strings.NewReader(strings.Repeat("x", 2*maxInstruction)), BuildPlatform); err == nil {
		t.Error("it was read")
	}
}

func FuzzDockerfile(f *testing.F) {
	for _, row := range dockerfiles() {
		f.Add(row.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		images, _, _ := Images(strings.NewReader(text), BuildPlatform)
		for _, image := range images {
			if image.Name == "" || strings.ContainsAny(image.Name, " \n$") {
				t.Errorf("%q is no image", image)
			}
		}
	})
}
