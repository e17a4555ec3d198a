use std::fs;

use crate::model::Actor;

/// The name that was given, else the user of the process; behind `sudo` that of the person.
pub(crate) fn resolve_actor(given: Option<&str>) -> Actor {
    if let Some(name) = given.map(str::trim).filter(|name| !name.is_empty()) {
        return Actor { principal: name.to_owned(), source: "given".to_owned() };
    }
    let uid = rustix::process::getuid().as_raw();
    let user = user_name(&fs::read_to_string("/etc/passwd").unwrap_or_default(), uid)
        .unwrap_or_else(|| uid.to_string());
    // Only root can have come by sudo in a way that the variable can be believed.
    match std::env::var("SUDO_USER") {
        Ok(person) if uid == 0 && !person.is_empty() && person != user => {
            Actor { principal: person, source: format!("sudo to {user} (uid {uid})") }
        }
        _ => Actor { principal: user, source: format!("os-user (uid {uid})") },
    }
}

fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let of_uid = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    passwd.lines().find_map(of_uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_given_or_found() {
        assert_eq!(resolve_actor(Some("ops@kfm")).source, "given");
        assert!(!resolve_actor(Some(" ")).principal.trim().is_empty());
        let passwd = "root:x:0:0:root:/root:/bin/bash\nkfm:x:1000:1000::/srv/kfm:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("kfm"));
        assert_eq!(user_name(passwd, 7), None);
    }
}
