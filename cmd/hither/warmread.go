package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/forward/project"
)

// npmRegistry is what a lock file means by its own registry.
const npmRegistry = "https://registry.npmjs.org"

// warmWant is one thing to have in the cache.
type warmWant struct {
	project.Want
	Claim digest.Digest // what its client will say that it expects; zero: nothing
	Size  int64         // of its bytes, if something that was read says so; 0: not known
	Named bool          // the user named it, so that to leave it out is a failure
	// More reads what came and tells what else is wanted then; nil: nothing is.
	More func(body []byte) ([]warmWant, error)

	looked bool // whether it is here was asked
}

// warmArgument is an argument that means nothing here.
type warmArgument struct{ says string }

// Error ends with what would do.
func (e *warmArgument) Error() string { return e.says }

func wrongArgument(format string, args ...any) error {
	return &warmArgument{fmt.Sprintf(format, args...)}
}

// maxWarm bounds what one command wants before any image is unfolded, in objects.
const maxWarm = 500_000

// warmKnown is the end of messages about what is not known.
const warmKnown = "go.mod, go.sum, go.work, the lock files of npm, pnpm, yarn and bun, Dockerfiles"

// warmReader turns arguments into wants.
type warmReader struct {
	Dir       string     // for relative names
	Platforms []platform // of images
}

// read takes the arguments in their order; none is the current directory.
func (r warmReader) read(args []string) (wants []warmWant, err error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, arg := range args {
		more, err := r.argument(arg)
		if err != nil {
			return nil, err
		}
		wants = append(wants, more...)
		if len(wants) > maxWarm {
			return nil, wrongArgument("this is more than %d objects: give fewer files at once", maxWarm)
		}
	}
	return wants, nil
}

// argument tells directories, files and images apart: what is there is meant, and what is not is an image's name.
func (r warmReader) argument(arg string) ([]warmWant, error) {
	path := arg
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.Dir, arg)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return r.directory(path)
	case err == nil && info.Mode().IsRegular():
		return r.file(path)
	case err == nil:
		return nil, wrongArgument("%s is no ordinary file: name %s", plain(arg), warmKnown)
	case !errors.Is(err, fs.ErrNotExist) || meansFile(arg):
		return nil, wrongArgument("%s: there is no such file: name %s, a directory with some of these, or an image", plain(arg), warmKnown)
	}
	image, err := parseImage(arg)
	if err != nil {
		return nil, wrongArgument("%s is neither a file nor a directory here, and %v", plain(arg), err)
	}
	return []warmWant{image.want(r.Platforms, true)}, nil
}

// meansFile says that a name without a file behind it was not meant as an image, although it could be the name of one.
func meansFile(arg string) bool {
	base := filepath.Base(arg)
	return arg == "" || strings.HasPrefix(arg, ".") || strings.HasPrefix(arg, "/") || strings.Contains(arg, `\`) ||
		isGoFile(base) || isLockFile(base) || isDockerfile(base) || slices.Contains([]string{".json", ".yaml", ".yml", ".lock", ".toml"}, filepath.Ext(base))
}

func isGoFile(base string) bool {
	return slices.Contains([]string{"go.mod", "go.sum", "go.work", "go.work.sum"}, base)
}

func isLockFile(base string) bool {
	return slices.Contains([]string{"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock"}, base)
}

// isDockerfile knows Dockerfile, Dockerfile.prod, prod.Dockerfile, and Podman's Containerfile.
func isDockerfile(base string) bool {
	for _, name := range []string{"dockerfile", "containerfile"} {
		base := strings.ToLower(base)
		if base == name || strings.HasPrefix(base, name+".") && base != name+".dockerignore" || strings.HasSuffix(base, "."+name) {
			return true
		}
	}
	return false
}

// file reads a file that the user named.
func (r warmReader) file(path string) ([]warmWant, error) {
	switch base := filepath.Base(path); {
	case isGoFile(base):
		return readWarmGo(filepath.Dir(path))
	case isLockFile(base):
		return lockWants(project.ReadLockFile(path))
	case base == "package.json":
		return lockWants(project.ReadLock(filepath.Dir(path)))
	case isDockerfile(base):
		return r.dockerfile(path)
	}
	return nil, wrongArgument("%s is no file that is known here: name %s", plain(path), warmKnown)
}

// directory reads everything in it that is known. That it has none of one kind is no error.
func (r warmReader) directory(dir string) (wants []warmWant, err error) {
	found := false
	add := func(more []warmWant, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		found = true
		wants = append(wants, more...)
		return err
	}
	if err := add(readWarmGo(dir)); err != nil {
		return nil, err
	}
	if err := add(lockWants(project.ReadLock(dir))); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%w; is the directory readable?", err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !isDockerfile(entry.Name()) {
			continue
		}
		if err := add(r.dockerfile(filepath.Join(dir, entry.Name()))); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, wrongArgument("%s has nothing that is known here: go where there is %s, or name an image", plain(dir), warmKnown)
	}
	return wants, nil
}

// readWarmGo is what `go mod download` and a build of the module ask for, small things first.
func readWarmGo(dir string) ([]warmWant, error) {
	g, err := project.ReadGo(dir)
	if err != nil {
		return nil, err
	}
	direct, indirect := g.Zips(publicGoProxy)
	var wants []warmWant
	for _, w := range slices.Concat(g.Mods(publicGoProxy), g.Infos(publicGoProxy), direct, indirect) {
		wants = append(wants, warmWant{Want: w})
	}
	return wants, nil
}

// lockWants are the tarballs of a lock file, each as its client will ask for it: npm says which digest it expects, and the
// word of the lock file is then enough; the others do not, and the registry's own word is fetched with the tarball.
func lockWants(l *project.Lock, err error) ([]warmWant, error) {
	if err != nil {
		return nil, err
	}
	says := filepath.Base(l.File) == "package-lock.json" || filepath.Base(l.File) == "npm-shrinkwrap.json"
	var wants []warmWant
	for _, w := range l.Wants(npmRegistry) {
		want := warmWant{Want: w}
		if says && w.Digest.Pins() {
			want.Claim = w.Digest
		}
		wants = append(wants, want)
	}
	return wants, nil
}

// dockerfile wants the images that it begins with or copies from. A name that has a variable without a value in it is no
// image, and is left to the build to complain of.
func (r warmReader) dockerfile(path string) ([]warmWant, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w; is the file readable?", err)
	}
	defer file.Close()
	names, err := project.Images(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	var wants []warmWant
	for _, name := range names {
		if image, err := parseImage(name); err == nil {
			wants = append(wants, image.want(r.Platforms, false))
		}
	}
	return wants, nil
}
