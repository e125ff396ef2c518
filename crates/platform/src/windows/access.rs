//! Access control lists.

use crate::private::Readers;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::{CloseHandle, ERROR_SUCCESS, GENERIC_ALL, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    EXPLICIT_ACCESS_W, GetNamedSecurityInfoW, SE_FILE_OBJECT, SET_ACCESS, SetEntriesInAclW, SetNamedSecurityInfoW,
    TRUSTEE_IS_SID, TRUSTEE_IS_UNKNOWN, TRUSTEE_W,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, CreateWellKnownSid, DACL_SECURITY_INFORMATION, EqualSid, GetAce, GetTokenInformation,
    INHERIT_ONLY_ACE, PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, SECURITY_MAX_SID_SIZE,
    SUB_CONTAINERS_AND_OBJECTS_INHERIT, TOKEN_QUERY, TOKEN_USER, TokenUser, WELL_KNOWN_SID_TYPE,
    WinBuiltinAdministratorsSid, WinCreatorOwnerRightsSid, WinCreatorOwnerSid, WinLocalSystemSid, WinWorldSid,
};
use windows_sys::Win32::System::SystemServices::ACCESS_ALLOWED_ACE_TYPE;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// A security identifier, aligned for the system.
#[repr(C, align(8))]
struct Sid([u8; 256]);

impl Sid {
    fn as_psid(&self) -> PSID {
        self.0.as_ptr().cast_mut().cast()
    }

    fn well_known(kind: WELL_KNOWN_SID_TYPE) -> io::Result<Sid> {
        let mut sid = Sid([0; 256]);
        let mut len = SECURITY_MAX_SID_SIZE;
        // SAFETY: `sid` has room for `len` bytes, and a null domain means this computer.
        succeeded(unsafe { CreateWellKnownSid(kind, null_mut(), sid.0.as_mut_ptr().cast(), &raw mut len) })?;
        Ok(sid)
    }

    /// The user of this process.
    fn user() -> io::Result<Sid> {
        let (mut token, mut sid, mut len): (HANDLE, _, _) = (null_mut(), Sid([0; 256]), 0);
        // SAFETY: `token` is valid for writes; the buffer for the answer has the stated length and is aligned for it. The
        // answer begins with a pointer to the identifier, which is in the same buffer.
        unsafe {
            succeeded(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token))?;
            let mut answer = Sid([0; 256]);
            let told = GetTokenInformation(token, TokenUser, answer.0.as_mut_ptr().cast(), 256, &raw mut len);
            let told = succeeded(told);
            CloseHandle(token);
            told?;
            let user = answer.0.as_ptr().cast::<TOKEN_USER>().read().User.Sid.cast::<u8>();
            let end = answer.0.as_ptr().add(answer.0.len());
            let rest = usize::try_from(end.offset_from(user)).unwrap_or(0);
            user.copy_to_nonoverlapping(sid.0.as_mut_ptr(), rest.min(SECURITY_MAX_SID_SIZE as usize));
        }
        Ok(sid)
    }
}

/// The user, the administrators and the system.
fn permitted() -> io::Result<[Sid; 3]> {
    Ok([Sid::user()?, Sid::well_known(WinBuiltinAdministratorsSid)?, Sid::well_known(WinLocalSystemSid)?])
}

pub(crate) fn restrict(path: &Path) -> io::Result<()> {
    allow_only(path, &permitted()?)
}

pub(crate) fn restrict_new(path: &Path) -> io::Result<()> {
    restrict(path)
}

pub(crate) fn share_with_all(path: &Path) -> io::Result<()> {
    allow_only(path, &[Sid::well_known(WinWorldSid)?])
}

/// Gives full access to these and to nobody else, for a folder also to what is created in it.
fn allow_only(path: &Path, sids: &[Sid]) -> io::Result<()> {
    let inheritance = if path.is_dir() { SUB_CONTAINERS_AND_OBJECTS_INHERIT } else { 0 };
    let entries: Vec<EXPLICIT_ACCESS_W> = sids
        .iter()
        .map(|sid| EXPLICIT_ACCESS_W {
            grfAccessPermissions: GENERIC_ALL,
            grfAccessMode: SET_ACCESS,
            grfInheritance: inheritance,
            Trustee: TRUSTEE_W {
                pMultipleTrustee: null_mut(),
                MultipleTrusteeOperation: 0,
                TrusteeForm: TRUSTEE_IS_SID,
                TrusteeType: TRUSTEE_IS_UNKNOWN,
                ptstrName: sid.as_psid().cast(),
            },
        })
        .collect();
    let (mut list, name) = (null_mut::<ACL>(), wide(path));
    // SAFETY: the entries and the identifiers that they point to live through the calls; the system allocates the list, which
    // is freed once.
    unsafe {
        check(SetEntriesInAclW(entries.len() as u32, entries.as_ptr(), null(), &raw mut list))?;
        let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
        let set = SetNamedSecurityInfoW(name.as_ptr(), SE_FILE_OBJECT, what, null_mut(), null_mut(), list, null());
        LocalFree(list.cast());
        check(set)
    }
}

/// Windows has no folders like `/tmp`: each user has temporary files of their own.
pub(crate) fn readers(path: &Path) -> io::Result<Readers> {
    let [user, administrators, system] = permitted()?;
    let owner = [WinCreatorOwnerSid, WinCreatorOwnerRightsSid].map(Sid::well_known);
    let owner = owner.into_iter().collect::<io::Result<Vec<Sid>>>()?;
    let may_read = |sid: PSID| {
        let permitted = [&user, &administrators, &system].into_iter().chain(&owner);
        // SAFETY: both are identifiers that live through the call.
        permitted.into_iter().any(|known| unsafe { EqualSid(sid, known.as_psid()) } != 0)
    };
    let (mut list, mut descriptor): (*mut ACL, PSECURITY_DESCRIPTOR) = (null_mut(), null_mut());
    let name = wide(path);
    // SAFETY: the system allocates the descriptor, which contains the list and is freed once, after the last use of both.
    // Each entry begins with a header; those that permit access continue with a mask and the identifier.
    unsafe {
        check(GetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION,
            null_mut(),
            null_mut(),
            &raw mut list,
            null_mut(),
            &raw mut descriptor,
        ))?;
        // Without a list, everybody has access.
        let mut only_owner = !list.is_null();
        for index in 0..list.as_ref().map_or(0, |list| u32::from(list.AceCount)) {
            let mut entry = null_mut();
            if GetAce(list, index, &raw mut entry) == 0 {
                continue;
            }
            let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
            let header = (*entry).Header;
            let permits = u32::from(header.AceType) == ACCESS_ALLOWED_ACE_TYPE
                && u32::from(header.AceFlags) & INHERIT_ONLY_ACE == 0;
            only_owner &= !permits || may_read((&raw mut (*entry).SidStart).cast());
        }
        LocalFree(descriptor);
        Ok(if only_owner { Readers::OwnerOnly } else { Readers::Others })
    }
}

fn wide(path: &Path) -> Vec<u16> {
    path.as_os_str().encode_wide().chain([0]).collect()
}

fn succeeded(result: i32) -> io::Result<()> {
    if result != 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn check(error: u32) -> io::Result<()> {
    if error == ERROR_SUCCESS { Ok(()) } else { Err(io::Error::from_raw_os_error(error as i32)) }
}
