package hosts

// Path is where the DNS client service looks.
const Path = `C:\Windows\System32\drivers\etc\hosts`
