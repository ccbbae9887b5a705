package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/cmd/hither/terminal"
	"hither/forward/project"
)

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

// warmReader turns arguments into wants. Read may be called once. What cannot be read does not keep the rest from being
// read.
type warmReader struct {
	Dir        string     // for relative names
	Platforms  []platform // of images
	Registries warmRegistries

	private []string      // patterns of names that what was read says are another registry's
	unread  []WarmFailure // what could not be read, with its file as URL
	unnamed int           // images that Dockerfiles name in no way that is known here
	images  []*warmImage  // each once, in the order in which they were named
	known   map[imageName]*warmImage
}

// warmImage is an image with all the platforms that anything wants of it.
type warmImage struct {
	imageName
	platforms []platform
	named     bool // by the user
}

// maxPlatforms is for how many an image may be wanted; each new one is compared with all of them.
const maxPlatforms = 256

// image notes an image that is wanted. What is too many platforms is left out.
func (r *warmReader) image(name imageName, platforms []platform, named bool) {
	i := r.known[name]
	if i == nil {
		if r.known == nil {
			r.known = map[imageName]*warmImage{}
		}
		i = &warmImage{imageName: name}
		r.known[name], r.images = i, append(r.images, i)
	}
	i.named = i.named || named
	for _, p := range platforms {
		if len(i.platforms) < maxPlatforms && !slices.Contains(i.platforms, p) {
			i.platforms = append(i.platforms, p)
		}
	}
}

// read takes the arguments in their order; none is the current directory. Its error is a *warmArgument.
func (r *warmReader) read(args []string) (wants []warmWant, err error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, arg := range args {
		more, err := r.argument(arg)
		if err != nil {
			return nil, err
		}
		wants = append(wants, more...)
		if len(wants)+len(r.images) > maxWarm {
			return nil, wrongArgument("this is more than %d objects: give fewer files at once", maxWarm)
		}
	}
	for _, i := range r.images {
		wants = append(wants, i.want(i.platforms, i.named))
	}
	return wants, nil
}

// or takes what was read of a file, or of all of a kind in a directory, or notes why there is nothing.
func (r *warmReader) or(path string, wants []warmWant, err error) []warmWant {
	if err != nil {
		says, next := err.Error(), "is it whole, and readable?"
		if i := strings.LastIndex(says, "; "); i >= 0 {
			says, next = says[:i], says[i+len("; "):]
		}
		r.unread = append(r.unread, WarmFailure{URL: terminal.Plain(path), Err: says, Next: next})
	}
	return wants
}

// argument tells directories, files and images apart: what is there is meant, and what is not is an image's name.
func (r *warmReader) argument(arg string) ([]warmWant, error) {
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
		return nil, wrongArgument("%s is no ordinary file: name %s", terminal.Plain(arg), warmKnown)
	case !errors.Is(err, fs.ErrNotExist) || meansFile(arg):
		return nil, wrongArgument("%s: there is no such file: name %s, a directory with some of these, or an image", terminal.Plain(arg), warmKnown)
	}
	image, err := parseImage(arg)
	if err != nil {
		return nil, wrongArgument("%s is neither a file nor a directory here, and %v", terminal.Plain(arg), err)
	}
	r.image(image, r.Platforms, true)
	return nil, nil
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
func (r *warmReader) file(path string) (wants []warmWant, err error) {
	switch base := filepath.Base(path); {
	case isGoFile(base):
		wants, err = r.modules(filepath.Dir(path))
	case isLockFile(base):
		wants, err = r.tarballs(project.ReadLockFile(path))
	case base == "package.json":
		wants, err = r.tarballs(project.ReadLock(filepath.Dir(path)))
	case isDockerfile(base):
		err = r.dockerfile(path)
	default:
		return nil, wrongArgument("%s is no file that is known here: name %s", terminal.Plain(path), warmKnown)
	}
	return r.or(path, wants, err), nil
}

// directory reads everything in it that is known. That it has none of one kind is no error.
func (r *warmReader) directory(dir string) (wants []warmWant, err error) {
	found := false
	add := func(path string, more []warmWant, err error) {
		if !errors.Is(err, fs.ErrNotExist) {
			found = true
			wants = append(wants, r.or(path, more, err)...)
		}
	}
	more, err := r.modules(dir)
	add(filepath.Join(dir, "go.mod"), more, err)
	more, err = r.tarballs(project.ReadLock(dir))
	add(dir, more, err)
	entries, err := os.ReadDir(dir)
	if err != nil {
		add(dir, nil, fmt.Errorf("%w; is the directory readable?", err))
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !isDockerfile(entry.Name()) || len(wants) > maxWarm {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		add(path, nil, r.dockerfile(path))
	}
	if !found {
		return nil, wrongArgument("%s has nothing that is known here: go where there is %s, or name an image", terminal.Plain(dir), warmKnown)
	}
	return wants, nil
}

// modules is what `go mod download` and a build of the module ask for, small things first.
func (r *warmReader) modules(dir string) ([]warmWant, error) {
	g, err := project.ReadGo(dir)
	if err != nil {
		return nil, err
	}
	proxy := r.Registries.GoProxy
	if proxy == "" {
		return nil, errors.New("GOPROXY names no proxy that could be asked for the modules; warm it with `go mod download`, or set GOPROXY to " + publicGoProxy)
	}
	direct, indirect := g.Zips(proxy)
	var wants []warmWant
	for _, w := range slices.Concat(g.Toolchain(proxy, r.Registries.GoVersion), g.Mods(proxy), g.Infos(proxy), direct, indirect) {
		wants = append(wants, warmWant{Want: w})
	}
	return wants, nil
}

// tarballs are those of a lock file, each as its client will ask for it: npm says which digest it expects, and the
// word of the lock file is then enough; the others do not, and the registry's own word is fetched with the tarball.
func (r *warmReader) tarballs(l *project.Lock, err error) ([]warmWant, error) {
	if err != nil {
		return nil, err
	}
	chosen := r.Registries.npm(l.File)
	r.private = append(r.private, chosen.Private()...)
	says := filepath.Base(l.File) == "package-lock.json" || filepath.Base(l.File) == "npm-shrinkwrap.json"
	var wants []warmWant
	for _, w := range l.Packuments(chosen.Default) {
		wants = append(wants, warmWant{Want: w})
	}
	for _, w := range l.Wants(chosen.Default) {
		want := warmWant{Want: w}
		if says && w.Digest.Pins() {
			want.Claim = w.Digest
		}
		wants = append(wants, want)
	}
	return wants, nil
}

// dockerfile notes the images that it begins with or copies from, for each platform that it may be built for.
func (r *warmReader) dockerfile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w; is the file readable?", err)
	}
	defer file.Close()
	for n, target := range r.Platforms {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		images, unnamed, err := project.Images(file, target.String())
		if err != nil {
			return err
		}
		for _, i := range images {
			name, err := parseImage(i.Name)
			if err != nil {
				unnamed++
				continue
			}
			platforms, err := parsePlatforms([]string{i.Platform})
			if err != nil {
				platforms = []platform{target}
			}
			r.image(name, platforms, false)
		}
		if n == 0 {
			r.unnamed += unnamed
		}
	}
	return nil
}
