package hosts

// path is where the DNS client service looks.
const path = `C:\Windows\System32\drivers\etc\hosts`
